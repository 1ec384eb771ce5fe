# SPDX-License-Identifier: GPL-2.0-only
"""Runs steps of real easyblocks on real recipes and prints what they would do; the tests run it as a process.

Standard input: {"root": the checkout, "robot": paths of recipes, "mended": with our easyblocks or with upstream's
alone, "cases": [{"text": a recipe, "easyblock": name, if not the recipe's, "steps": names of methods, or lists of
one and its arguments, "files": {path: content} below the build folder, "start_dir", "attributes", "parameters",
"environment", "with_dependencies", "show": files to print afterwards, "programs": that are on PATH, "commands":
{start of a command: what it prints}}, ...]}

No modules are loaded and no command is run: what would be run is recorded, with what "commands" says as its output.
What a step would find in the environment of loaded modules is made up of the recipe's dependencies and of ENVIRONMENT.
"""

import glob
import importlib
import importlib.util
import json
import logging
import os
import re
import sys
import tempfile
import traceback
import types

WORK = tempfile.mkdtemp()

# software of toolchain foss: $EBROOT*, $EBVERSION*
FOSS = {'GCC': '13.3.0', 'GCCcore': '13.3.0', 'OpenMPI': '5.0.3', 'FlexiBLAS': '3.4.4', 'FFTW': '3.3.10',
        'FFTW.MPI': '3.3.10', 'ScaLAPACK': '2.2.0', 'binutils': '2.42'}
# what Cray's modules set
CRAY = {'CRAY_MPICH_DIR': 'mpich', 'CRAY_LIBSCI_PREFIX_DIR': 'libsci', 'CRAY_FFTW_PREFIX': 'fftw',
        'EBROOTBUILDTOOLS': 'buildtools'}
COMPILERS = {'cpeGNU': 'gnu', 'cpeCray': 'cray', 'cpeAOCC': 'aocc', 'cpeAMD': 'amd'}


def script(path, text='#!/bin/sh\n'):
    """Write an executable file."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(text)
    os.chmod(path, 0o755)


def tree():
    """Make the folders that the environment names; commands that are looked up are there, and do nothing."""
    for name, libraries in {
        'mpich': ['mpich'], 'fftw': ['fftw3', 'fftw3_mpi', 'fftw3_omp'],
        'libsci': ['sci_%s%s%s' % (c, m, t) for c in COMPILERS.values() for m in ('', '_mpi') for t in ('', '_mp')],
    }.items():
        for library in libraries:
            for suffix in ('.so', '.a'):
                script(os.path.join(WORK, name, 'lib', 'lib' + library + suffix))
        os.makedirs(os.path.join(WORK, name, 'include'))
    for name in ('cc', 'CC', 'ftn', 'gcc', 'g++', 'gfortran', 'python', 'srun', 'mpicc', 'mpicxx', 'mpifort', 'mpif90',
                 'mpif77'):
        script(os.path.join(WORK, 'bin', name))
    for name, version in (('cmake', '3.31.6'), ('meson', '1.6.1'), ('ninja', '1.11.1')):
        script(os.path.join(WORK, 'buildtools', 'bin', name), '#!/bin/sh\necho %s version %s\n' % (name, version))


def load_packages(root):
    """Load the toolchains and easyblocks of the checkout as the packages that they are installed as."""
    for folder in ('toolchains', 'easyblocks'):
        name, path = 'lumi_hooks_' + folder, os.path.join(root, folder)
        spec = importlib.util.spec_from_file_location(name, os.path.join(path, '__init__.py'),
                                                      submodule_search_locations=[path])
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    importlib.import_module('lumi_hooks_toolchains.registry').supersede()
    sys.path.insert(0, root)
    from easybuild.tools.config import build_option
    site = importlib.import_module('lumi_hooks.site').make_site(env={})
    importlib.import_module('lumi_hooks.eb.policy.external_names')
    patches = importlib.import_module('lumi_hooks.eb.patches')
    patches._session = types.SimpleNamespace(site=site)
    patches.put_in_place('names')
    metadata = build_option('external_modules_metadata')
    for module in site.cray.values():
        metadata[module.full_name] = {'name': list(module.provides), 'prefix': module.prefix,
                                      'version': [module.upstream_version] * len(module.provides)}


def set_up(ec, toolchain):
    """The environment that the recipe's modules would make."""
    names = FOSS if toolchain.name not in COMPILERS else {}
    names = {**names, **{dep['name']: dep['version'] for dep in ec.dependencies() if not dep['external_module']}}
    if toolchain.name in COMPILERS:
        os.environ.update({name: os.path.join(WORK, folder) for name, folder in CRAY.items()})
        os.environ.update({'CRAY_MPICH_VERSION': '8.1.32', 'GCC_VERSION': '14.2.0', 'FFTW_VERSION': '3.3.10',
                           'CRAY_CC_VERSION': '19.0.0', 'CRAY_AOCC_VERSION': '5.0.0'})
    for name, version in names.items():
        from easybuild.tools.modules import get_software_root_env_var_name, get_software_version_env_var_name
        root = os.path.join(WORK, name if name == 'buildtools' else os.path.join('software', name))
        for folder in ('lib', 'include', 'bin'):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        os.environ[get_software_root_env_var_name(name)] = root
        os.environ[get_software_version_env_var_name(name)] = version


# what commands print
OUTPUTS = {
    'cmake --version': 'cmake version 3.31.6',
    'meson --version': '1.6.1',
    'python -c \'import sysconfig;': '/tmp/lib/python3.11/site-packages',
    'python -c \'import distutils': '/tmp/lib/python3.11/site-packages',
    'python -c \'import sys;': '3.11.7',
}


class Recorder:
    """Takes the place of run_shell_cmd."""

    def __init__(self):
        self.commands, self.outputs = [], {}

    def __call__(self, cmd, *args, work_dir=None, **kwargs):
        """Record a command; return what it is said to print."""
        from easybuild.tools.run import RunShellCmdResult
        text = cmd if isinstance(cmd, str) else ' '.join(cmd)
        self.commands.append(' '.join(text.split()))
        output = next((out for start, out in self.outputs.items() if text.strip().startswith(start)), '')
        return RunShellCmdResult(cmd=text, exit_code=0, output=output, stderr=None, work_dir=work_dir, out_file=None,
                                 err_file=None, cmd_sh=None, thread_id=None, task_id=None)


RECORDER = Recorder()


def one(case):
    """Run the steps of one case."""
    from easybuild.framework.easyconfig.easyconfig import EasyConfig, get_easyblock_class

    RECORDER.commands, RECORDER.outputs = [], {**OUTPUTS, **case.get('commands', {})}
    folder = tempfile.mkdtemp(dir=WORK)
    path = os.path.join(folder, 'recipe.eb')
    with open(path, 'w', encoding='utf-8') as stream:
        stream.write(case['text'])
    extension = get_easyblock_class(case['easyblock']) if 'easyblock' in case else None
    ec = EasyConfig(path, validate=False, extra_options=extension.extra_options() if extension else None)
    cls = extension or get_easyblock_class(ec['easyblock'], name=ec.name)
    result = {'class': sys.modules[cls.__module__].__file__, 'error': None}
    os.environ.update(case.get('environment', {}))
    try:
        set_up(ec, ec.toolchain)
        block = cls(ec)
        build = os.path.join(folder, 'build')
        # an easyblock may pass everything on to another
        for each in {block, getattr(block, 'ebclass', block)}:
            each.__dict__.update(builddir=build, installdir=os.path.join(folder, 'install'))
        os.makedirs(block.installdir)
        for name, content in {'.': None, **case.get('files', {})}.items():
            target = os.path.join(build, name)
            os.makedirs(target if content is None else os.path.dirname(target), exist_ok=True)
            if content is not None:
                with open(target, 'w', encoding='utf-8') as stream:
                    stream.write(content)
        for name in case.get('programs', []):
            script(os.path.join(WORK, 'bin', name))
        start = block.cfg['start_dir'] = os.path.join(build, case.get('start_dir', ''))
        os.chdir(start)
        for name, value in case.get('parameters', {}).items():
            block.cfg[name] = value
        for name, value in case.get('attributes', {}).items():
            setattr(block, name, value)
        block.set_parallel()
        block.cfg.template_values['builddir'] = build
        toolchain = block.toolchain
        toolchain._verify_toolchain = lambda: None
        dependencies = block.cfg.dependencies() if case.get('with_dependencies') else None
        toolchain.prepare(deps=dependencies, loadmod=False, silent=True)
        for step in case['steps']:
            os.chdir(start)
            method, *arguments = [step] if isinstance(step, str) else step
            result['returned'] = getattr(block, method)(*arguments)
    except Exception:
        # told with the place: a test shows what went wrong in which case
        result['error'] = traceback.format_exc()
        return result
    shown = {}
    found = glob.glob(os.path.join(build, case['show_glob'])) if 'show_glob' in case else []
    for name in [*case.get('show', []), *(os.path.relpath(path, build) for path in found)]:
        with open(os.path.join(build, name), encoding='utf-8') as stream:
            shown[name] = stream.read()
    result.update(
        commands=RECORDER.commands, files=shown, environment=dict(os.environ),
        parameters={name: block.cfg[name] for name in ('configopts', 'buildopts', 'prebuildopts', 'installopts')},
        family=toolchain.comp_family(),
    )
    for path in glob.glob(os.environ.get('PKG_CONFIG_PATH', '-').split(':')[0] + '/libsci.pc'):
        with open(path, encoding='utf-8') as stream:
            result['libsci.pc'] = stream.read()
    # without names that differ by run
    text = json.dumps(result).replace(folder, '@').replace(WORK, '$')
    return json.loads(re.sub(r'/Trilinos-\w{5}\b', '/Trilinos', text))


def main():
    """Read the order, run it, print the result on the last line."""
    order = json.load(sys.stdin)
    tree()
    os.makedirs(os.path.join(WORK, 'build'))
    os.environ['PATH'] = ':'.join([os.path.join(WORK, 'bin'), os.path.join(WORK, 'buildtools', 'bin'), '/usr/bin:/bin'])
    # easyblocks take it from here by name: after what runs Lmod, before they are imported
    import easybuild.framework.easyblock
    import easybuild.tools.run
    easybuild.tools.run.run_shell_cmd = RECORDER
    from easybuild.tools.environment import restore_env
    from easybuild.tools.modules import modules_tool
    from easybuild.tools.options import set_up_configuration

    arguments = ['--prefix', WORK, '--optarch', '', '--disable-rpath', '--robot-paths', order['robot']]
    set_up_configuration(args=arguments, silent=True)
    load_packages(order['root'])
    registry = importlib.import_module('lumi_hooks_easyblocks.registry')
    registry.supersede()
    if not order['mended']:
        for folder, package in registry.FIXES.items():
            package.__path__.remove(folder)
    # what goes wrong is told by the results; EasyBuild's log takes half of the time
    logging.disable(logging.CRITICAL)
    # one Lmod for all of them
    shared = modules_tool()
    easybuild.framework.easyconfig.easyconfig.modules_tool = easybuild.framework.easyblock.modules_tool = lambda: shared
    start = dict(os.environ)
    results = []
    for case in order['cases']:
        results.append(one(case))
        os.chdir('/')
        restore_env(start)
    print(json.dumps(results))


if __name__ == '__main__':
    main()
