# SPDX-License-Identifier: GPL-2.0-only
"""
LumiEnvironment: one module that loads an environment (lumi-eb env, docs/environments.md).

Its parts are dependencies, installed before it. Nothing is compiled here: what loading the parts sets is looked up with
Lmod, written as one module, and compared with what loading them one by one gives.
"""
import os

from easybuild.framework.easyblock import EasyBlock
from easybuild.framework.easyconfig import CUSTOM
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.filetools import convert_name, remove_dir

from lumi_hooks import sites
from lumi_hooks.eb import session
from lumi_hooks.env import installing, module
from lumi_hooks.env.recipe import LOCK
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
        """Install what the environment has beside its module."""
        prefix = session.current().site.prefix if session.current() else self.builddir
        try:
            installing.install(self.installdir, self.lock, self.spec,
                               {os.path.basename(item['path']): item['path'] for item in self.src},
                               os.path.join(prefix, '.lumi-hooks', 'python'), self.builddir)
        except LumiHooksError as err:
            raise EasyBuildError('%s', err) from err

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
        return module.text(self.setting(), (sites.variable('release'), self.lock['release']), self._variables())

    def make_module_req(self):
        """Return what is on search paths beside the parts; nothing is guessed."""
        return ''.join('prepend_path(%s, pathJoin(root, %s))\n' % (
            module.lua(name), module.lua(os.path.relpath(path, self.installdir)))
            for name, path in installing.paths(self.installdir, self.lock))

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
        parts, own = ({key: value for key, value in env.items() if key not in self._variables()
                       and not self._mine(key)} for env in (parts, own))
        for key, path in installing.paths(self.installdir, self.lock):
            rest = [entry for entry in own[key].split(os.pathsep) if entry != path]
            own[key] = os.pathsep.join(rest) or parts.get(key)
        return [*module.differences(parts, own, setting),
                *(f'unloading leaves {text}' for text in module.differences(before, left, module.Setting()))]

    def _variables(self):
        """Return what the module sets beside what its parts set."""
        return {**installing.variables(self.installdir, self.lock), **self.lock['variables']}

    def _mine(self, name):
        """Is it one of the variables by which EasyBuild names this installation?"""
        return name in [f'EB{kind}{convert_name(self.name, upper=True)}' for kind in ('ROOT', 'VERSION', 'DEVEL')]
