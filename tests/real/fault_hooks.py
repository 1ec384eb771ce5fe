# SPDX-License-Identifier: GPL-2.0-only
"""
A hooks file that runs behind ours in tests of faults: kills this very `eb` with SIGKILL at the moment that $FAULT_AT
names: a hook (post_install), or a function of the library (after:reveal).
"""
import os
import signal

from lumi_hooks.eb.lifecycle import install, rollback

_AT = os.environ.get('FAULT_AT', '')


def _die(*args, **kwargs):
    with open(os.environ['FAULT_MARK'], 'w', encoding='utf-8'):
        pass  # so that the test knows that it was here
    os.kill(os.getpid(), signal.SIGKILL)


if _AT.startswith('after:'):
    _name = _AT.partition(':')[2]
    _owners = (rollback.EarlierInstallation, install.Installation, rollback)
    _owner = next(item for item in _owners if hasattr(item, _name))
    _original = getattr(_owner, _name)

    def _then(*args, **kwargs):
        _original(*args, **kwargs)
        _die()
    setattr(_owner, _name, _then)
elif _AT:
    globals()[f'{_AT}_hook'] = _die
