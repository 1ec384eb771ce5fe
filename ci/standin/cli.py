# SPDX-License-Identifier: GPL-2.0-only
"""Command line of ci/standin/build."""

import argparse
import fcntl
import os
import pathlib
import platform
import sys

from . import dardel
from .layout import Layout, Problem, facts, known_releases, known_sites
from .plan import EXTRAS, build
from .steps import Builder, write

EXAMPLES = """examples:
  ci/standin/build                                 the default release, below ~/.cache/lumi-hooks/standin
  ci/standin/build --root /tmp/standin --release all
  ci/standin/build --release 24.03 25.03 --jobs 2
  ci/standin/build --with none                     PrgEnv-gnu only
  ci/standin/build --site dardel --root /tmp/dardel --with rocm
  . /tmp/standin/enter.sh && module list           a login shell of the stand-in
"""


def default_root():
    """Return the root used without --root: $LUMI_HOOKS_STANDIN, else a folder in the user's cache."""
    if os.environ.get('LUMI_HOOKS_STANDIN'):
        return os.environ['LUMI_HOOKS_STANDIN']
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return os.path.join(cache, 'lumi-hooks/standin')


def parse(arguments):
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(
        prog='ci/standin/build',
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Build a stand-in for the Cray PE of a site: Lmod, modules with the names, versions and '
        "variables of HPE's, wrappers cc/CC/ftn, and real free libraries behind them. "
        'What is built is not built again.',
    )
    parser.add_argument('--root', default=default_root(), help='where it goes (default: %(default)s)')
    parser.add_argument(
        '--site', choices=known_sites(), help="whose: versions as in lumi_hooks/sites (default: the root's, else lumi)"
    )
    parser.add_argument(
        '--release',
        nargs='+',
        metavar='RELEASE',
        default=[],
        help="Cray PE releases, or all (default: what the root has already, at least the site's default); known: %s"
        % ' '.join(known_releases()),
    )
    parser.add_argument(
        '--with',
        dest='extras',
        nargs='+',
        metavar='NAME',
        default=['all'],
        choices=[*EXTRAS, 'all', 'none'],
        help='besides PrgEnv-gnu: %s, all or none; amd brings rocm; what the root has is kept (default: all)'
        % ', '.join(EXTRAS),
    )
    parser.add_argument(
        '--jobs',
        type=int,
        default=min(os.cpu_count() or 1, 8),
        help='parallel jobs of make (default: %(default)s)',
    )
    parser.add_argument(
        '--python-more',
        nargs='+',
        metavar='PACKAGE',
        default=[],
        help="Python packages (wheels) that cray-python gets besides HPE's, e.g. wheel pandas==2.0.3 (default: none)",
    )
    parser.add_argument(
        '--list-packages', action='store_true', help='print the Debian packages and wheels that are used'
    )
    parser.add_argument('--verbose', action='store_true', help='show the output of the commands')
    return parser.parse_args(arguments)


def list_packages():
    """Print what is needed on the system and what is unpacked below the root."""
    data = facts()
    print('on the system:  ' + ' '.join(sorted(set(data['system_packages'].values()) | {'python3-venv'})))
    for topic, names in data['debian'].items():
        print('unpacked (%s): %s' % (topic, ' '.join(names)))
    print('unpacked (the system\'s GCC): ' + ' '.join(data['system_gcc']['packages']))
    for topic in ('llvm', 'rocm'):
        print('unpacked (%s, with --with): %s' % (topic, ' '.join(data[topic]['packages'])))
    print("built from Debian's sources: " + ' '.join(data['sources'].values()))
    print(
        'from PyPI: %s %s'
        % (
            ' '.join('%s==%s' % pair for pair in data['wheels'].items()),
            ' '.join(
                sorted(
                    {word for one in data['python'].values() for word in [*one['brings'], *one['packages']]}
                    | {'mpi4py==' + one['mpi4py'] for one in data['python'].values()}
                )
            ),
        )
    )


def extras_to_build(layout, asked):
    """Return the names of the extras (plan.EXTRAS) to build: those asked for and those that the root has.

    layout: of the stand-in. asked: names of extras, or all, or none.
    """
    wanted = set(EXTRAS) if 'all' in asked else set(asked) - {'none'}
    core = layout.pe / 'lmod/modulefiles/core'
    for name, pe_env in EXTRAS.items():
        module = facts()['environments'][pe_env]['prgenv'] if pe_env else name
        if (core / module).is_dir():
            wanted.add(name)
    if 'amd' in wanted:
        wanted.add('rocm')
    return sorted(wanted)


def main(arguments=None):
    """Run the command line; return the exit code."""
    options = parse(arguments)
    if options.list_packages:
        list_packages()
        return 0
    try:
        if platform.machine() != 'x86_64' or not pathlib.Path('/etc/debian_version').exists():
            raise Problem(
                'the stand-in is made of Debian packages for x86_64; this machine is neither Debian nor alike'
            )
        layout = Layout(options.root, options.site)
        names = known_releases() if 'all' in options.release else options.release
        here = [path.name for path in (layout.pe / 'cpe').glob('*') if path.name in known_releases()]
        names = sorted(set(names) | set(here) | {layout.default_release})
        releases = [layout.release(name) for name in names]
        write(layout.store / 'site', layout.site + '\n')
        os.umask(0o022)
        builder = Builder(layout, max(1, options.jobs), options.verbose, options.python_more)
        with open(layout.store / 'lock', 'w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                builder.say('another build of %s is running: waiting for it' % layout.root)
                fcntl.flock(lock, fcntl.LOCK_EX)
            build(builder, releases, extras_to_build(layout, options.extras))
            if layout.site == 'dardel':
                dardel.build(builder, releases)
        builder.say(
            '%s; Cray PE %s. Enter it with:  . %s/enter.sh'
            % ('built' if builder.done else 'nothing to do', ' '.join(names), layout.root)
        )
        return 0
    except Problem as problem:
        print('ci/standin/build: %s' % problem, file=sys.stderr)
        return 1
    except PermissionError as err:
        print(
            'ci/standin/build: no permission to write %s; choose another --root' % err.filename,
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            'ci/standin/build: interrupted; what was finished is kept, run it again to go on', file=sys.stderr
        )
        return 130
