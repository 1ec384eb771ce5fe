# SPDX-License-Identifier: GPL-2.0-only
"""What trace_hooks.py wrote down of a build, and what every shell command of it has to see."""

OUR_CLASS = 'lumi_hooks_toolchains.lumi_toolchains'
# steps from the one on that prepares the environment: what is run before it (fetching, unpacking) sees no modules
WITH_MODULES = ('configure', 'build', 'test', 'install', 'extension', 'sanity')


def toolchains(trace):
    """(module, class, name, version, compiler family) of the toolchain object of every build in a trace."""
    return {(item['module'], item['class'], item['name'], item['version'], item['family'])
            for item in trace if item['event'] == 'toolchain'}


def commands(trace, module, *steps):
    """The shell commands of a build, of some steps; Lmod's own, which change the environment, are EasyBuild's."""
    return [item for item in trace if item['event'] == 'command' and item['module'] == module
            and '/lmod' not in item['command'] and item['step'] in (steps or WITH_MODULES)]


def assert_every_command_sees(trace, module, loaded, absent=(), environment=()):
    """
    Every shell command of a build runs with our toolchain's modules and with the variables that belong to them.

    :param loaded: full names of modules that are loaded
    :param absent: names, without versions, of modules that are not
    :param environment: (variable, the end of its value) of $EBROOT* and $EBVERSION*; GCC's are looked at always
    """
    assert (module, OUR_CLASS, 'cpeGNU', '25.03', 'GCC') in toolchains(trace), toolchains(trace)
    seen = commands(trace, module)
    assert {'configure', 'build', 'install', 'sanity'} & {item['step'] for item in seen}, f'{module} was not built'
    for item in seen:
        what = f'{item["step"]} of {module}: {item["command"][:200]}'
        names = {full.split('/')[0] for full in item['loaded']}
        assert {'cpeGNU/25.03', *loaded} <= set(item['loaded']), what
        assert not names & set(absent), what
        assert item['env']['EBVERSIONGCC'] == '14.2' and item['env']['EBROOTGCC'], what
        for variable, value in environment:
            assert item['env'].get(variable, '').endswith(value), (variable, what)
        # nothing is defined for what is kept out
        assert not [variable for variable in item['env'] if 'LIBSCI' in variable and 'cray-libsci' in absent], what
        assert not [variable for variable in item['env'] if 'FFTW' in variable and 'cray-fftw' not in names], what
    return seen
