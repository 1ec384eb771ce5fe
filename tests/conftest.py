# SPDX-License-Identifier: GPL-2.0-only
"""For all tests: the library of this checkout is the one that is tested, installed or not."""
import os
import signal
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# also where pytest is started as a command, which does not look into the current folder
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)
# modules of ci/ that tests try
sys.path.append(os.path.join(ROOT, 'ci'))

# a shell starts its background commands with Ctrl-C ignored, and all that the tests start would inherit that
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
