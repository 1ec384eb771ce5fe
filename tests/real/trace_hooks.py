# SPDX-License-Identifier: GPL-2.0-only
"""A hooks file that runs behind ours in tests: writes down what every shell command of a build sees."""
import json
import os

_current = {}


def _write(record):
    with open(os.environ['LUMI_HOOKS_TEST_TRACE'], 'a', encoding='utf-8') as handle:
        handle.write(json.dumps(record) + '\n')


def post_prepare_hook(easyblock, *args, **kwargs):
    toolchain = easyblock.toolchain
    _write({'event': 'toolchain', 'module': easyblock.full_mod_name, 'class': type(toolchain).__module__,
            'name': toolchain.name, 'version': toolchain.version, 'family': toolchain.COMPILER_FAMILY})


def pre_easyblock_hook(easyblock, *args, **kwargs):
    _current['module'] = easyblock.full_mod_name


def _step(name):
    def hook(*args, **kwargs):
        _current['step'] = name
    return hook


pre_fetch_hook = _step('fetch')
pre_configure_hook = _step('configure')
pre_build_hook = _step('build')
pre_test_hook = _step('test')
pre_install_hook = _step('install')
pre_single_extension_hook = _step('extension')
pre_sanitycheck_hook = _step('sanity')
pre_cleanup_hook = _step('after')


def pre_run_shell_cmd_hook(command, *args, **kwargs):
    _write({'event': 'command', 'command': str(command), 'module': _current.get('module'),
            'step': _current.get('step'),
            'loaded': [name for name in os.environ.get('LOADEDMODULES', '').split(':') if name],
            'env': {name: value for name, value in os.environ.items()
                    if name.startswith(('EBROOT', 'EBVERSION'))}})
