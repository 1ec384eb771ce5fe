# SPDX-License-Identifier: GPL-2.0-only
"""
While a package is configured, built and installed it has no network: what it needs are its recipe's sources, with their
checksums. Fetching, tests and sanity checks keep it (they may go through Slurm).

Whole steps are run cut off (cutoff.py), so that it does not matter who starts a process, or how. EasyBuild has hooks
before and after a step, and none around it: `run_step` is replaced.
"""
import os
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

from ... import settings
from ...cutoff import OPEN, SETTING, CutOff, cut_off, surroundings
from ...namespace import NotEntered
from .. import patches

STEPS = (CONFIGURE_STEP, BUILD_STEP, INSTALL_STEP, EXTENSIONS_STEP, POSTPROC_STEP)

_log = fancylogger.getLogger('lumi_hooks', fname=False)
_way: Optional[CutOff] = None
# the package whose steps are cut off, and why the last one's are not
_package: Any = None
_open: Optional[str] = None
# is such a step under way?
_inside = False


def enter(session, app) -> None:
    """
    A package is going to be installed.

    :param session: the session
    :raises SiteError: LUMI_HOOKS_NETWORK names no way that there is
    """
    global _open, _package, _way
    _package, _open = None, None
    if session.site.allows(app.name):
        _open = f'LUMI_HOOKS_ALLOW names {app.name}'
    elif '@' in str(app.cfg.get('license_file') or ''):
        _open = f'its licence is asked for at {app.cfg["license_file"]}'
    elif settings.value('NETWORK') == OPEN:
        _open = f'{SETTING} is {OPEN}'
    elif not patches.on('network'):
        _open = f'EasyBuild is used as it is ({patches.SETTING}, or a version that is not known)'
    elif not app.dry_run:
        try:
            if _way is None or not _way.works():
                _way = cut_off(os.environ)
        except OSError as err:
            _open = f'this machine cuts no commands off ({err.strerror})'
        else:
            _package = app
            _log.info('lumi-hooks: %s is cut off from the network by %s%s', app.name, _way.by,
                      ''.join(f' ({why})' for why in _way.failed))
    if _open:
        _log.info('lumi-hooks: the commands of %s have the network: %s', app.name, _open)


def leave() -> None:
    """It is installed, or it failed."""
    global _package
    _package = None


def as_json() -> Dict[str, Any]:
    """Was this package cut off from the network, how, and why not? For its record."""
    return {'cut_off': _package is not None, 'by': _way.by if _package is not None and _way else None, 'reason': _open}


@patches.replaces('easybuild.framework.easyblock:EasyBlock.run_step')
def run_step(original, self, step, *args, **kwargs):
    """A step, cut off where the package is."""
    global _inside
    # the steps of a bundle's components run within those of the bundle
    if _way is None or _package is None or _inside or step not in STEPS:
        return original(self, step, *args, **kwargs)
    with surroundings():
        _inside = True
        try:
            return _way.run(lambda: original(self, step, *args, **kwargs))
        except NotEntered as err:
            raise EasyBuildError('lumi-hooks: %s (LUMI_HOOKS_ALLOW=%s runs it with the network)', err,
                                 self.name) from err
        except EasyBuildError as err:
            if _way.works():
                raise
            raise EasyBuildError('lumi-hooks: the process that watches over the network of the build was ended, '
                                 'and with it the loopback; run the same command again: %s', err.msg) from err
        finally:
            _inside = False
