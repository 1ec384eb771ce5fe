# SPDX-License-Identifier: GPL-2.0-only
"""Prepares toolchains with EasyBuild and prints what came of it as JSON; the tests run it as a process.

Standard input: {"how": "package" (as the hooks do), "include" or "late", "arguments": options for eb,
"root": the checkout, "cases": [{"name", "version", "options", "dependencies", "loadmod"}, ...]}
A case with "search", "environment" or "flags" asks for less, see below.
"""

import contextlib
import functools
import importlib.util
import json
import os
import shutil
import sys


def load_package(name, folder):
    """Import a folder of the checkout as the package it is installed as."""
    spec = importlib.util.spec_from_file_location(
        name, os.path.join(folder, '__init__.py'), submodule_search_locations=[folder]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return package


def external(module):
    """Return a dependency on an external module, as EasyBuild makes it."""
    return {
        'name': None,
        'version': None,
        'full_mod_name': module['module'],
        'short_mod_name': module['module'],
        'external_module': True,
        'external_module_metadata': module.get('metadata', {}),
        'build_only': module.get('build_only', False),
    }


CONSTANTS = ('CPE', 'GCC', 'CCE', 'AOCC', 'AMD')


def search(case):
    """Return which class EasyBuild finds for a name."""
    import easybuild.tools.toolchain as constants
    from easybuild.tools.toolchain.utilities import get_toolchain, search_toolchain

    cls, known = search_toolchain(case['search'])
    if case.get('cache'):
        get_toolchain({'name': case['search'], 'version': case['version']}, {})
    return {
        'module': cls.__module__,
        'count': len([c for c in known if case['search'] == c.NAME]),
        'constants': {name: getattr(constants, name, None) for name in CONSTANTS},
    }


def flags(case):
    """Return the compiler options alone, which need no module."""
    from easybuild.tools.build_log import EasyBuildError
    from easybuild.tools.toolchain.utilities import get_toolchain

    try:
        toolchain = get_toolchain({'name': case['name'], 'version': case['version']}, case.get('options', {}))
    except EasyBuildError as err:
        return {'error': err.msg}
    toolchain._set_compiler_vars()
    toolchain._set_optimal_architecture()
    toolchain._set_compiler_flags()
    result = {name: str(toolchain.variables[name]) for name in ('CFLAGS', 'CXXFLAGS', 'FCFLAGS')}
    return dict(result, family=toolchain.comp_family())


def variables(case):
    """Return a build's variables as EasyBuild's set_variables makes them; "environment" is what modules would set."""
    from easybuild.tools.toolchain.utilities import get_toolchain

    os.environ.update(case['environment'])
    toolchain = get_toolchain({'name': case['name'], 'version': case['version']}, case.get('options', {}))
    toolchain.set_variables()
    toolchain.generate_vars()
    return {
        'variables': toolchain.vars,
        'families': [toolchain.toolchain_family(), toolchain.comp_family(), toolchain.mpi_family()],
        'mpi command': toolchain.mpi_cmd_for('prog', 4),
    }


def unload_after_load(modtool, names):
    """Keep modules out, as the hooks do: unload them after each load."""
    load = modtool.load

    def load_and_unload(*args, **kwargs):
        load(*args, **kwargs)
        modtool.unload(names)

    modtool.load = load_and_unload


def one(case, modtool):
    """Prepare one toolchain; return its state."""
    from easybuild.framework.easyconfig.easyconfig import ActiveMNS
    from easybuild.tools.build_log import EasyBuildError
    from easybuild.tools.toolchain.utilities import get_toolchain

    try:
        toolchain = get_toolchain(
            {'name': case.get('name', 'cpeGNU'), 'version': case['version']},
            case.get('options', {}),
            mns=ActiveMNS(),
            modtool=modtool,
        )
        if case.get('without'):
            unload_after_load(toolchain.modules_tool, case['without'])
        for loadmod in case.get('loadmod', [True]):
            toolchain.reset()
            if loadmod:
                toolchain.prepare(deps=[external(dep) for dep in case.get('dependencies', [])], silent=True)
            else:
                # what an extension sees: modules loaded again, variables of external modules lost
                for name in [v for v in os.environ if v.startswith(('EBROOT', 'EBVERSION'))]:
                    del os.environ[name]
                toolchain.prepare(silent=True, loadmod=False)
    except EasyBuildError as err:
        return {'error': err.msg}
    return {
        'class': type(toolchain).__module__,
        'families': [
            toolchain.toolchain_family(),
            toolchain.comp_family(),
            toolchain.mpi_family(),
            toolchain.blas_family(),
        ],
        'names': [toolchain.COMPILER_MODULE_NAME, toolchain.MPI_MODULE_NAME],
        'definition': toolchain.definition(),
        'rpath': [toolchain.use_rpath, shutil.which('cc')],
        'loaded': toolchain.modules_tool.loaded_modules(),
        'environment': dict(os.environ),
    }


def supersede(root):
    """Do what the hooks do at the start of a session."""
    if 'lumi_hooks_toolchains' not in sys.modules:
        load_package('lumi_hooks_toolchains', os.path.join(root, 'toolchains'))
    from lumi_hooks_toolchains import registry

    registry.supersede()


def main():
    """Read the order, run it, print the result on the last line."""
    order = json.load(sys.stdin)
    from easybuild.tools.environment import restore_env
    from easybuild.tools.modules import modules_tool
    from easybuild.tools.options import set_up_configuration

    set_up_configuration(args=order['arguments'], silent=True)
    if order['how'] == 'package':
        supersede(order['root'])
        supersede(order['root'])
    modtool = modules_tool()
    start = dict(os.environ)
    results = []
    for case in order['cases']:
        if case.get('supersede'):
            supersede(order['root'])
        prepare = (
            search
            if 'search' in case
            else variables
            if 'environment' in case
            else flags
            if 'flags' in case
            else functools.partial(one, modtool=modtool)
        )
        results.append(prepare(case))
        restore_env(start)
    print(json.dumps(results))


if __name__ == '__main__':
    with contextlib.suppress(BrokenPipeError):
        main()
