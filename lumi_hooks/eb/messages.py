# SPDX-License-Identifier: GPL-2.0-only
"""What the library says inside `eb`, by EasyBuild's own functions; text of others is made safe for a terminal."""
from easybuild.base import fancylogger
from easybuild.tools.build_log import EasyBuildError, print_msg, print_warning
from easybuild.tools.config import build_option

from .. import quote

log = fancylogger.getLogger('lumi_hooks', fname=False)


def say(text: str) -> None:
    """One message, on the screen and in the log; not with --silent."""
    print_msg(f'lumi-hooks: {quote.terminal(text)}', log=log, silent=build_option('silent'))


def warn(text: str, about: str = '') -> None:
    """
    A warning; not with --silent.

    :param about: what it is about, in brackets: the id of a check
    """
    print_warning('lumi-hooks%s: %s', f' ({about})' if about else '', quote.terminal(text),
                  silent=build_option('silent'))


def error(text: object) -> EasyBuildError:
    """An error of EasyBuild's, which is shown without a traceback; to be raised."""
    return EasyBuildError('lumi-hooks: %s', quote.terminal(text))
