# SPDX-License-Identifier: GPL-2.0-only
"""
A hooks file that runs behind ours in tests of faults: at the moment that $CLOCK_AT names, a hook (post_install) or a
function of the library (after:take), sets the clock of this very `eb` back by a day and dates what was made so far
in the prefix a day ahead; kills it then, where $CLOCK_KILL says so.
"""
import datetime
import os
import signal
import time

from lumi_hooks.eb.lifecycle import rollback

_AT, _DAY = os.environ['CLOCK_AT'], 86400


class _Yesterday(datetime.datetime):
    """What EasyBuild measures steps and names files with."""

    @classmethod
    def now(cls, tz=None):
        return super().now(tz) - datetime.timedelta(days=1)


def _set_back(*args, **kwargs):
    real, before = time.time, time.time()
    time.time = lambda: real() - _DAY
    local, to_gmt = time.localtime, time.gmtime
    time.localtime = lambda seconds=None: local(time.time() if seconds is None else seconds)
    time.gmtime = lambda seconds=None: to_gmt(time.time() if seconds is None else seconds)
    import easybuild.framework.easyblock
    import easybuild.tools.run
    for module in (easybuild.framework.easyblock, easybuild.tools.run):
        module.datetime = _Yesterday
    for folder, _, files in os.walk(os.environ['EBU_USER_PREFIX']):
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.stat(path).st_uid == os.getuid():
                os.utime(path, (before + _DAY, before + _DAY))
    with open(os.environ['CLOCK_MARK'], 'w', encoding='utf-8') as handle:
        handle.write(str(time.time() - before))
    if os.environ.get('CLOCK_KILL'):
        os.kill(os.getpid(), signal.SIGKILL)


if _AT.startswith('after:'):
    _original = getattr(rollback.EarlierInstallation, _AT[6:])

    def _then(*args, **kwargs):
        _original(*args, **kwargs)
        _set_back()
    setattr(rollback.EarlierInstallation, _AT[6:], _then)
else:
    globals()[f'{_AT}_hook'] = _set_back
