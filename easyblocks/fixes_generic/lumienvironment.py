# SPDX-License-Identifier: GPL-2.0-only
"""
LumiEnvironment: one module that loads an environment (lumi-eb env, docs/environments.md).

Its parts are dependencies, installed before it. Nothing is compiled here: what loading the parts sets is looked up with
Lmod, written as one module, and compared with what loading them one by one gives.
"""
import json
import os
import stat

from easybuild.framework.easyblock import EasyBlock
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.filetools import adjust_permissions, convert_name, mkdir, remove_dir, write_file

from lumi_hooks import sites
from lumi_hooks.env import module, steps
from lumi_hooks.env.recipe import LOCK, SPEC
from lumi_hooks.errors import LumiHooksError


class LumiEnvironment(EasyBlock):
    """Support for installing an environment."""

    @staticmethod
    def extra_options(extra_vars=None):
        """Easyconfig parameters of this easyblock."""
        extra_vars = EasyBlock.extra_options(extra_vars)
        extra_vars.update({
            'environment_lock': [{}, 'What the environment was resolved to', CUSTOM],
            'environment_spec': [('', ''), 'Name and text of the file that says what is in it', CUSTOM],
        })
        return extra_vars

    def __init__(self, *args, **kwargs):
        """Read the parameters as they are: no template is filled in."""
        super().__init__(*args, **kwargs)
        with self.cfg.disable_templating():
            self.lock, self.spec = self.cfg['environment_lock'], self.cfg['environment_spec']
        self._setting = None

    def extract_step(self):
        """Nothing is unpacked: pip takes its files as they are."""

    def prepare_step(self, *args, **kwargs):
        """Nothing is loaded: nothing is compiled."""

    def configure_step(self):
        """Nothing to configure."""

    def build_step(self):
        """Nothing to build."""

    def install_step(self):
        """Write what the environment was made of."""
        mkdir(os.path.join(self.installdir, os.path.dirname(LOCK)), parents=True)
        write_file(os.path.join(self.installdir, LOCK), json.dumps(self.lock, indent=1) + '\n')
        write_file(os.path.join(self.installdir, SPEC + os.path.splitext(self.spec[0])[1]), self.spec[1])
        if self.lock['steps']:
            try:
                self.install_steps()
            except LumiHooksError as err:
                raise EasyBuildError('%s', err) from err

    def install_steps(self):
        """Write the commands of the steps."""
        contents = {'': self.lock, **self.lock['steps']}
        envs = {name: {**module.loaded(content['targets'], os.environ), **content['variables']}
                for name, content in contents.items()}
        folder = os.path.join(self.installdir, 'bin')
        mkdir(folder)
        for step, content in self.lock['steps'].items():
            setting = module.resolved(content['targets'], os.environ)
            asked = [setting.roots[target] for target in content['targets'] if target in setting.roots]
            try:
                found = steps.programs(content['commands'], asked, envs[step])
            except KeyError as err:
                raise EasyBuildError("the step %s has no command %s", step, err.args[0]) from err
            path = os.path.join(self.installdir, os.path.dirname(LOCK), f'step-{step}')
            write_file(path, steps.script(step, envs[step], list(envs.values()), os.environ, found))
            adjust_permissions(path, stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            for command in (steps.launcher(step), *found):
                link = os.path.join(folder, command)
                if not os.path.lexists(link):
                    os.symlink(os.path.relpath(path, folder), link)
                elif command in content['commands']:
                    raise EasyBuildError("two steps offer the command %s: name others in 'commands'", command)

    def setting(self):
        """Return what the module sets."""
        if self._setting is None:
            try:
                self._setting = module.resolved(self.lock['targets'], os.environ)
            except LumiHooksError as err:
                raise EasyBuildError('%s', err) from err
        return self._setting

    def make_module_dep(self, *args, **kwargs):
        """Return the part of the module file that stands for the parts."""
        if self.module_generator.MODULE_FILE_EXTENSION != '.lua':
            raise EasyBuildError("The module of an environment is written in Lua: leave --module-syntax out")
        return module.text(self.setting(), (sites.variable('release'), self.lock['release']), self.lock['variables'])

    def make_module_req(self):
        """Return no guess, but the commands of the steps."""
        return 'prepend_path("PATH", pathJoin(root, "bin"))\n' if self.lock['steps'] else ''

    def sanity_check_step(self, *args, **kwargs):
        """Check that the one module sets what its parts set, and leaves nothing behind."""
        kwargs.setdefault('custom_paths', {'files': [LOCK], 'dirs': []})
        super().sanity_check_step(*args, **kwargs)
        if self.dry_run or not self.lock['targets']:
            return
        try:
            wrong = self._differences()
        except LumiHooksError as err:
            raise EasyBuildError('%s', err) from err
        if wrong:
            raise EasyBuildError("The module of the environment does not set what its parts set: %s", '; '.join(wrong))

    def _differences(self):
        """Return in what loading the one module differs from loading its parts."""
        setting, targets, name = self.setting(), self.lock['targets'], self.full_mod_name
        fake = self.make_module_step(fake=True)
        try:
            before = module.loaded(setting.loads, os.environ, os.path.join(fake, self.mod_subdir))
            parts, own = module.loaded(targets, before), module.loaded([name], before)
            left = module.loaded([name], before, then='unload')
        finally:
            remove_dir(os.path.dirname(fake))
        own = {key: value for key, value in own.items() if key not in self.lock['variables'] and not self._mine(key)}
        return [*module.differences(parts, own, setting),
                *(f'unloading leaves {text}' for text in module.differences(before, left, module.Setting()))]

    def _mine(self, name):
        """Is it one of the variables by which EasyBuild names this installation?"""
        return name in [f'EB{kind}{convert_name(self.name, upper=True)}' for kind in ('ROOT', 'VERSION', 'DEVEL')]
