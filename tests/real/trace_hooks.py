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


def pre_configure_hook(easyblock, *args, **kwargs):
    _current['step'] = 'configure'


def pre_single_extension_hook(extension, *args, **kwargs):
    _current['step'] = 'extension'


def pre_sanitycheck_hook(easyblock, *args, **kwargs):
    _current['step'] = 'sanity'


def pre_run_shell_cmd_hook(command, *args, **kwargs):
    _write({'event': 'command', 'command': str(command), 'module': _current.get('module'),
            'step': _current.get('step'),
            'loaded': [name for name in os.environ.get('LOADEDMODULES', '').split(':') if name],
            'env': {name: value for name, value in os.environ.items()
                    if name.startswith(('EBROOT', 'EBVERSION'))}})
