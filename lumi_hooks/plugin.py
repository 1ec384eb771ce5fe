# SPDX-License-Identifier: GPL-2.0-only
"""The hooks as an installed plugin (group easybuild.hooks): registered with EasyBuild >= 5.3 and --use-entrypoints."""
from easybuild.tools.entrypoints import EntrypointHook

from . import hooks
from .eb.dispatch import for_plugin

start_hook = EntrypointHook('start')(for_plugin(hooks.start_hook))
parse_hook = EntrypointHook('parse')(for_plugin(hooks.parse_hook))
pre_build_and_install_loop_hook = EntrypointHook('pre_build_and_install_loop')(
    for_plugin(hooks.pre_build_and_install_loop_hook))
post_build_and_install_loop_hook = EntrypointHook('post_build_and_install_loop')(
    for_plugin(hooks.post_build_and_install_loop_hook))
pre_easyblock_hook = EntrypointHook('easyblock', pre_step=True)(for_plugin(hooks.pre_easyblock_hook))
post_fetch_hook = EntrypointHook('fetch', post_step=True)(for_plugin(hooks.post_fetch_hook))
post_configure_hook = EntrypointHook('configure', post_step=True)(for_plugin(hooks.post_configure_hook))
post_sanitycheck_hook = EntrypointHook('sanitycheck', post_step=True)(for_plugin(hooks.post_sanitycheck_hook))
pre_prepare_hook = EntrypointHook('prepare', pre_step=True)(for_plugin(hooks.pre_prepare_hook))
pre_single_extension_hook = EntrypointHook('single_extension', pre_step=True)(
    for_plugin(hooks.pre_single_extension_hook))
post_single_extension_hook = EntrypointHook('single_extension', post_step=True)(
    for_plugin(hooks.post_single_extension_hook))
pre_configure_hook = EntrypointHook('configure', pre_step=True)(for_plugin(hooks.pre_configure_hook))
pre_sanitycheck_hook = EntrypointHook('sanitycheck', pre_step=True)(for_plugin(hooks.pre_sanitycheck_hook))
pre_run_shell_cmd_hook = EntrypointHook('run_shell_cmd', pre_step=True)(for_plugin(hooks.pre_run_shell_cmd_hook))
pre_module_hook = EntrypointHook('module', pre_step=True)(for_plugin(hooks.pre_module_hook))
module_write_hook = EntrypointHook('module_write')(for_plugin(hooks.module_write_hook))
post_easyblock_hook = EntrypointHook('easyblock', post_step=True)(for_plugin(hooks.post_easyblock_hook))
