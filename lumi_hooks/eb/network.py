# SPDX-License-Identifier: GPL-2.0-only
"""
While a package is configured, built and installed, its commands have no network: what it needs are its recipe's
sources, with their checksums. Fetching, tests and sanity checks keep it (they may go through Slurm).

Every process that `eb` starts in these steps is cut off, whoever starts it: EasyBuild's `run_shell_cmd`, the older
`run_cmd`, an easyblock of its own. EasyBuild has hooks around commands that could put a launcher in front of them, but
then the launcher stands in every message and log, and what starts processes by itself gets by.
"""
import functools
import subprocess
from typing import Any, Dict, Optional

from easybuild.base import fancylogger
from easybuild.framework.easyblock import (
    BUILD_STEP,
    CONFIGURE_STEP,
    EXTENSIONS_STEP,
    INSTALL_STEP,
    POSTPROC_STEP,
)
from easybuild.tools.build_log import EasyBuildError

from ..namespace import NoNetwork

STEPS = (CONFIGURE_STEP, BUILD_STEP, INSTALL_STEP, EXTENSIONS_STEP, POSTPROC_STEP)

_log = fancylogger.getLogger('lumi_hooks', fname=False)
_namespace: Optional[NoNetwork] = None
# the package whose commands are cut off, and why the last one's are not
_package: Any = None
_open: Optional[str] = None


def enter(here, app) -> None:
    """
    A package is going to be installed.

    :param here: the session
    """
    global _namespace, _open, _package
    _package, _open = None, None
    if here.site.allows(app.name):
        _open = f'LUMI_HOOKS_ALLOW names {app.name}'
    elif '@' in str(app.cfg.get('license_file') or ''):
        _open = f'its licence is asked for at {app.cfg["license_file"]}'
    elif not app.dry_run:
        try:
            _namespace = _namespace or NoNetwork.make()
        except OSError as err:
            _open = f'this machine makes no namespaces for users ({err.strerror})'
        else:
            _watch()
            _package = app
    if _open:
        _log.info('lumi-hooks: the commands of %s have the network: %s', app.name, _open)


def leave() -> None:
    """It is installed, or it failed."""
    global _package
    _package = None


def as_json() -> Dict[str, Any]:
    """Were the commands of this package cut off from the network, and why not? For its record."""
    return {'cut_off': _package is not None, 'reason': _open}


def _watch() -> None:
    """Have what is started from now on enter the namespace, in the steps of a package. Idempotent."""
    original = subprocess.Popen.__init__
    if getattr(original, 'lumi_hooks', False):
        return

    @functools.wraps(original)
    def start(self, *args, **kwargs):
        if _namespace is None or getattr(_package, 'current_step', None) not in STEPS:
            return original(self, *args, **kwargs)
        kwargs['preexec_fn'] = _entering(_namespace, kwargs.get('preexec_fn'))
        try:
            return original(self, *args, **kwargs)
        except subprocess.SubprocessError as err:
            # of what happens between fork and exec Python tells no more than that it went wrong
            raise EasyBuildError('lumi-hooks: a command could not be cut off from the network (LUMI_HOOKS_ALLOW=%s '
                                 'runs it with the network): %s', _package.name, err) from err

    setattr(start, 'lumi_hooks', True)  # noqa: B010 (a function has no such attribute to type checkers)
    setattr(subprocess.Popen, '__init__', start)  # noqa: B010


def _entering(namespace: NoNetwork, then) -> Any:
    def run() -> None:
        namespace.enter()
        if then:
            then()
    return run
