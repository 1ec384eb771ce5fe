# SPDX-License-Identifier: GPL-2.0-only
"""
One run of `eb` at a site: what is set up once, and every recipe that is read.

`--easystack` configures EasyBuild again for every entry and drops what was set up, so `ensure` is called from the
start hook and again for every recipe; it is idempotent.
"""
import importlib
import os
import sys
from functools import cached_property
from typing import Any, Dict, List, Optional, Tuple

from easybuild.base import fancylogger
from easybuild.tools.build_log import EasyBuildError
from easybuild.tools.config import BuildOptions, build_option, update_build_option

from .. import sites
from ..adapt import REFUSED, UNCHANGED, adapt
from ..catalogue import our_recipes, upstream_recipes
from ..change import Adaptation
from ..closure import Closure
from ..dependency import Dependency
from ..errors import LumiHooksError, SiteError
from ..gpu import site_for_dependency
from ..prefix import sharing
from ..recipe import Recipe, parse_recipe, parser_of, read_recipe
from ..record import archive
from ..record.lost import lost
from ..releases import load_machine, load_toolchains
from ..render import describe
from ..rules.templates import written_out
from ..selection import own_recipe, source_recipe
from ..site import Site, is_lumi, is_special, site_from_environment
from ..store import Store
from . import live, messages, patches, plugin_folders
from .policy import gate, prefixes
from .policy.options import refuse_options
from .policy.requested import Requested
from .view import View

_log = fancylogger.getLogger('lumi_hooks', fname=False)


class Session:
    """The library's state in one `eb` process."""

    def __init__(self, site: Site, upstream: List[str]):
        self.site, self.upstream, self.store, self.view = site, upstream, Store(site.prefix), View()
        self.closure = Closure(site)
        self.requested = Requested(site, self.store.root)
        self.refused: Dict[str, str] = {}
        self.adaptations: Dict[str, Adaptation] = {}
        self._texts: Dict[Tuple[str, Optional[str]], Tuple[str, str]] = {}
        self._announced: set = set()
        # what was configured: the very objects, as EasyBuild makes new ones for every entry of an easystack
        self._configured: Tuple[Any, Any] = (None, None)
        # reports of `lumi-eb verify` by full module name, for what was installed in this run
        self.linkage: Dict[str, Dict[str, Any]] = {}
        # by full module name too: files whose run paths were fixed (preparation.py), and the folders that went
        self.run_paths: Dict[str, Dict[str, List[str]]] = {}

    @classmethod
    def start(cls) -> 'Session':
        """
        Find out where we are.

        :raises LumiHooksError: the environment is contradictory or incomplete
        """
        upstream = upstream_recipes()
        robot = list(build_option('robot_path') or [])
        site = prefixes.enter(site_from_environment(), robot, upstream)
        gate.check_folder()
        gate.watch_clone()
        gate.check_included(sys.path)
        gate.check_given(sys.argv[1:])
        sharing.share(site.prefix)  # adapted recipes included
        session = cls(site, upstream)
        patches.install(session)
        session.store.expire()
        if prefixes.has_left_over(site):
            from .lifecycle import install
            install.restore_left(site)
        _log.info('lumi-hooks: release %s, partition %s, toolchain %s, mode %s, prefix %s, recipes in %s, upstream %s',
                  site.release.name, site.partition, site.toolchain, site.mode, site.prefix, session.view.root,
                  upstream)
        return session

    @cached_property
    def records(self):
        """The records that are made in this process."""
        from .lifecycle.record import Records
        return Records(self)

    def configure(self) -> None:
        """
        Our toolchains and easyblocks; adapted recipes, ours and upstream's on the robot path; metadata of the Cray
        modules. Idempotent.
        """
        robot, metadata = build_option('robot_path'), build_option('external_modules_metadata')
        if self._configured[0] is robot and self._configured[1] is metadata and self.view.root in (robot or ()):
            return
        refuse_options()  # each entry of an easystack has options of its own
        for folder in ('toolchains', 'easyblocks'):
            # LUMI's own classes of the same names are superseded; each entry of an easystack includes them again
            if not patches.on(folder):
                continue
            plugin_folders.plugin_package(folder)
            importlib.import_module(f'lumi_hooks_{folder}.registry').supersede()
        self.site.index.refresh()
        if robot is None:
            robot = []
            update_build_option('robot_path', robot)
        robot[:] = gate.trusted_folders(prefixes.robot_path(self.site, self.view.without_others(robot)))
        wanted = [path for path in [our_recipes(), *self.upstream] if path]
        prefixes.find_sources(self.site)
        if self.view.root not in robot:
            # in place: EasyBuild hands this very list around
            robot.insert(0, self.view.root)
        robot.extend(path for path in wanted if path not in robot)
        for module in self.site.cray.values():
            entry = {'name': list(module.provides), 'version': [module.upstream_version] * len(module.provides),
                     'prefix': module.prefix}
            for key in (module.full_name, module.name):
                metadata[key] = dict(entry)
        self._name_gpu()
        _without_srun()
        # for what is configured again from the environment: the entries of an easystack
        known = [path for path in os.environ.get('EASYBUILD_ROBOT_PATHS', '').split(':') if path]
        if known and self.view.root not in known:
            known = gate.trusted_folders(self.view.without_others(known))
            known = [self.view.root, *known, *(path for path in wanted if path not in known)]
            os.environ['EASYBUILD_ROBOT_PATHS'] = ':'.join(known)
        self._configured = (robot, metadata)

    def _name_gpu(self) -> None:
        """
        Name the GPU to upstream's easyblocks and templates (--amdgcn-capabilities) on partitions that have it, where
        this EasyBuild knows the option and the user names no other.
        """
        if self.site.partition_facts['gpu'] and 'amdgcn_capabilities' in BuildOptions() \
                and not build_option('amdgcn_capabilities'):
            update_build_option('amdgcn_capabilities', [load_machine()['rocm']['gpu_target']])

    def read(self, ec) -> None:
        """A recipe is being read: adapt it, store what it needs, and put the text in its place."""
        if self.view.holds(ec.path):
            # a derived recipe, found by its name: from here on it is the one in the store, which stays
            ec.path = os.path.realpath(ec.path)
            return
        key = (ec.rawtxt, ec.path)
        if key not in self._texts:
            given = self.requested.given(ec.path)
            recipe = live.glance(ec)
            gate.check_adjacent_files(recipe)
            as_it_is = recipe.toolchain[0] == 'system' or recipe.toolchain[0] in load_toolchains()['toolchains']
            if not as_it_is or self.site.overrides.mention(recipe.name):
                parser_of(ec.rawtxt, ec.path, ec.parser)
                recipe = parse_recipe(ec.rawtxt, ec.path)
            self._texts[key] = self._adapted(recipe, given)
            # read once more (copies of the object) it is what it is
            self._texts[self._texts[key]] = self._texts[key]
        text, path = self._texts[key]
        if text != ec.rawtxt:
            live.replace(ec, text, path)

    def _adapted(self, recipe: Recipe, given: bool) -> Tuple[str, str]:
        """
        The text that stands for a recipe, and its path; notes a refusal for later.

        :param given: was it asked for by name?
        """
        newer = archive.newer(recipe, self.site, sys.argv[1:])
        if newer:
            text, path = self._adapted(newer, given)
            self._compare(recipe, newer, text)
            return text, path
        adaptation = adapt(recipe, self.site)
        if given and adaptation.status != REFUSED:
            self.requested.note(adaptation.module, recipe.path)
        if adaptation.status == UNCHANGED:
            if given:
                self._tell_changed(adaptation, self.site)
            if recipe.toolchain[0] != 'system':
                self._write(adaptation)
                self._note(adaptation)
            return recipe.text, recipe.path or ''
        if adaptation.status == REFUSED:
            self._refuse(recipe.filename, adaptation.reason)
            return self._stub(recipe), recipe.path or ''
        site = site_for_dependency(Dependency(recipe.name, recipe.version, adaptation.versionsuffix), self.site,
                        adaptation.toolchain[0])
        own = None
        if recipe.toolchain != adaptation.toolchain:  # else it is LUMI's or the user's, changed by an override
            own = own_recipe(adaptation.name, adaptation.version, adaptation.versionsuffix, site)
        if own:
            self._announce(f'{adaptation.module}: {sites.name()} or you have a recipe of that name, which is used as '
                           f'it is: {own} (LUMI_HOOKS_DERIVE={adaptation.name} derives it from {recipe.filename} '
                           'instead)')
            return self._adapted(read_recipe(own), given)
        self._write(adaptation)
        self._note(adaptation)
        if given:
            self._tell_changed(adaptation, site)
        source = source_recipe(recipe.name, recipe.version, adaptation.versionsuffix, site)
        same = source and recipe.path and os.path.realpath(source.path) == os.path.realpath(recipe.path)
        path, text = self.store.put(adaptation)
        if same:  # a recipe of somebody's own is installed when asked for, and stands for nobody's dependency
            self.view.link(adaptation, path)
        self._tell(adaptation)
        return text, path

    def _compare(self, archived: Recipe, newer: Recipe, text: str) -> None:
        """Tell how an archived recipe, which is passed over, differs; not of what is installed and stays as it is."""
        if newer.filename in self.refused or archive.stays(adapt(archived, self.site).module, archived.path or '',
                                                           self.site, sys.argv[1:]):
            return
        lines = archive.differences(archived, text)
        if lines:
            self._announce(f'{archived.path} is what was installed once, and differs from {newer.path}, which is used: '
                           'give the first by its path to install that\n' + '\n'.join(f'     {line}' for line in lines))

    def _tell_changed(self, adaptation: Adaptation, site: Site) -> None:
        """EasyBuild says "already installed" of what was named and has changed since: tell what to type."""
        self.tell_lost(adaptation.module, site)
        if not site.index.module_file(adaptation.module):
            return
        from ..record.since import change_notice
        changed = change_notice(adaptation.module, adaptation.recipe.path or '', site, sys.argv[1:])
        if changed:
            self._announce(changed)

    def tell_lost(self, module: str, site: Optional[Site] = None) -> None:
        """Tell of a module that somebody deleted half of, and that is going to be installed again."""
        half = lost(module, site or self.site)
        if half:
            self._announce(half)

    def _write(self, adaptation: Adaptation) -> None:
        """Store the recipes that have to be derived for one, where the robot finds them."""
        for derived in self.closure.follow(adaptation):
            self.view.link(derived, self.store.put(derived)[0])
            self._tell(derived)

    def _note(self, adaptation: Adaptation) -> None:
        if adaptation.module in self.closure.refused:
            self._refuse(adaptation.recipe.filename, self.closure.refused[adaptation.module])

    def _stub(self, recipe: Recipe) -> str:
        """A refused recipe without dependencies: it is listed, and never built."""
        # templates such as %(cudaver)s come from the dependencies that go
        return recipe.text + '\n# refused by lumi-hooks: see the message\ndependencies = []\nbuilddependencies = []\n' \
                             "toolchainopts = {}\ntoolchain = {'name': 'system', 'version': 'system'}\n" \
                             f'versionsuffix = {written_out(recipe, recipe.parameters.get("versionsuffix") or "")!r}\n'

    def raise_refusals(self) -> None:
        """
        Stop before anything is built if something can't be.

        :raises EasyBuildError: with all reasons together
        """
        if self.refused:
            lines = [f'  * {name}: {reason}' for name, reason in sorted(self.refused.items())]
            raise messages.error('what you asked for cannot be installed, and nothing was built:\n' + '\n'.join(lines))

    def _refuse(self, name: str, reason: str) -> None:
        """Note a refusal and show it at once: a dry run goes on."""
        if name not in self.refused:
            self.refused[name] = reason
            messages.warn(f'{name} is refused: {reason}')

    def _tell(self, adaptation: Adaptation) -> None:
        self.adaptations[adaptation.module] = adaptation
        said = '; '.join(f'[{change.rule}] {describe(change, adaptation)}: {change.reason}'
                         for change in adaptation.changes)
        _log.info('lumi-hooks: %s from %s: %s; without %s', adaptation.module, adaptation.recipe.filename, said,
                  adaptation.kept_out)
        number = len(adaptation.changes)
        self._announce(f'{adaptation.recipe.filename} becomes {adaptation.module} '
                       f'({number} change{"s" if number != 1 else ""})')

    def _announce(self, text: str) -> None:
        if text not in self._announced and not build_option('terse', default=False):
            self._announced.add(text)
            messages.say(text)


_session: Optional[Session] = None


def ensure() -> Optional[Session]:
    """
    The session of this process, set up where it is not; None where LUMI's software stack is not loaded.

    :raises EasyBuildError: the environment is contradictory or incomplete
    """
    global _session
    if _session is None:
        try:
            sites.check()
            if not is_lumi() or is_special():
                return None
            _session = Session.start()
        except LumiHooksError as err:
            raise EasyBuildError('lumi-hooks: %s', err) from err
    _session.configure()
    return _session


def begin() -> None:
    """
    Set up the session at the start of `eb`. A wrong environment is told when the first recipe is read: `eb --search`
    and the like read none, and need no more than to find them.
    """
    try:
        ensure()
    except EasyBuildError as err:
        if not isinstance(err.__cause__, SiteError):
            raise
        robot = build_option('robot_path')
        if robot is not None:
            robot.extend(path for path in upstream_recipes() if path not in robot)


def _without_srun() -> None:
    """
    Cray MPICH is started by srun, inside a job. mpi4py is imported without MPI_Init, in the shell of a job as well, so
    that sanity checks still import what stands on it; what the toolchain starts by srun is told otherwise. On a login
    node easyblocks that ask for the option mpi_tests leave theirs out, as the rule mpi-tests does for recipes.
    """
    os.environ.setdefault('MPI4PY_RC_INITIALIZE', '0')
    if not os.environ.get('SLURM_JOB_ID'):
        update_build_option('mpi_tests', False)


def current() -> Optional[Session]:
    """The session, None where none was started."""
    return _session
