# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages without root: downloaded with a private apt state and unpacked below the root."""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import threading
import time

from .elf import place
from .layout import Problem
from .steps import link, write

WEEK = 7 * 24 * 3600
APT = threading.RLock()  # one apt at a time on the private state


class Debian:
    """Fetches binary and source packages from the mirrors that this machine's apt is configured for."""

    def __init__(self, builder, suite=None):
        """builder: runs the commands and knows the root. suite: a Debian release other than the machine's."""
        self.builder = builder
        self.layout = builder.layout
        self.suite = suite
        self.apt = self.layout.store / ('apt-' + suite if suite else 'apt')
        self.debs = self.layout.store / ('debs-' + suite if suite else 'debs')
        self.tree = self.layout.packages(suite)
        self.fresh = False

    def environment(self):
        """Return the environment for apt commands; refreshes the private package lists when they are old."""
        env = dict(
            os.environ, APT_CONFIG=str(self.apt / 'apt.conf'), LC_ALL='C', DEBIAN_FRONTEND='noninteractive'
        )
        if self.fresh:
            return env
        sources = self._sources()
        for folder in ('lists/partial', 'cache/archives/partial', 'etc'):
            (self.apt / folder).mkdir(parents=True, exist_ok=True)
        write(
            self.apt / 'apt.conf',
            '\n'.join(
                [
                    'Dir::Etc::sourcelist "%s";' % (self.apt / 'sources.list'),
                    'Dir::Etc::sourceparts "-";',
                    'Dir::State::lists "%s";' % (self.apt / 'lists'),
                    'Dir::Cache "%s";' % (self.apt / 'cache'),
                    'Acquire::Languages "none";',
                    # a connection that stalls is given up after 120 seconds by default
                    'Acquire::http::Timeout "20";',
                    'Acquire::https::Timeout "20";',
                    'Acquire::Retries "5";',
                    'APT::Sandbox::User "";',
                    '',
                ]
            ),
        )
        stamp = self.apt / 'updated'
        same = (self.apt / 'sources.list').exists() and (self.apt / 'sources.list').read_text() == sources
        if not same or not stamp.exists() or time.time() - stamp.stat().st_mtime > WEEK:
            write(self.apt / 'sources.list', sources)
            self.builder.say('  reading the package lists of the Debian mirror (private copy)')
            self.builder.run(
                ['apt-get', '-q', 'update'], 'reading the package lists of ' + (self.suite or 'the mirror'), env=env,
                log='apt')
            write(stamp, '')
        self.fresh = True
        return env

    def _sources(self):
        """Derive a private sources.list, with source packages, from apt's own configuration."""
        try:
            text = subprocess.run(
                [
                    'apt-get',
                    'indextargets',
                    '--format',
                    '$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)',
                ],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        except (OSError, subprocess.CalledProcessError) as err:
            raise Problem(
                'the stand-in is built from Debian packages and needs a working apt-get (%s)' % err
            ) from err
        codename = re.search(r'^VERSION_CODENAME=(\w+)', pathlib.Path('/etc/os-release').read_text(), re.M)
        codename = codename.group(1) if codename else 'stable'
        lines = []
        for line in sorted(set(text.splitlines())):
            kind, uri, release, component, signed = (line.split('|') + [''] * 5)[:5]
            if kind != 'Packages' or component != 'main' or not re.match(r'%s($|-|/)' % codename, release):
                continue
            option = ' [signed-by=%s]' % signed if signed.startswith('/') else ''
            if not self.suite:
                lines += ['%s%s %s %s main' % (word, option, uri, release) for word in ('deb', 'deb-src')]
            elif release == codename:  # the mirror has the older releases at the same address
                lines.append('deb%s %s %s main' % (option, uri, self.suite))
        if not lines:
            raise Problem(
                'apt has no mirror for %s main configured: add one to the sources of apt' % codename
            )
        return '\n'.join(lines) + '\n'

    def unpack(self, names, into=None):
        """Download the packages that are not in the cache, and unpack all of them.

        names: package names. into: the tree (default: store/debian). Raises Problem when apt cannot get one.
        """
        into = into or self.tree
        into.mkdir(parents=True, exist_ok=True)
        self.debs.mkdir(parents=True, exist_ok=True)
        missing = [name for name in names if not self._cached(name)]
        if missing:
            self.builder.say('  fetching %d Debian packages' % len(missing))
            with APT:
                self.builder.run(
                    ['apt-get', '-q', 'download'] + missing,
                    'fetching ' + ' '.join(missing),
                    cwd=self.debs,
                    env=self.environment(),
                    log='apt',
                )
        for name in names:
            self.builder.run(['dpkg', '-x', self._cached(name), into], 'unpacking ' + name, log='dpkg')

    def _cached(self, name):
        found = sorted(self.debs.glob(name + '_*.deb'))
        return found[-1] if found else None

    def helpers(self, names):
        """Unpack what the named packages need and this machine lacks; copy it to opt/standin/lib.

        names: packages whose dependencies are followed.
        """
        text = self.builder.output(
            [
                'apt-cache',
                'depends',
                '--recurse',
                '--no-recommends',
                '--no-suggests',
                '--no-conflicts',
                '--no-breaks',
                '--no-replaces',
                '--no-enhances',
                '--no-pre-depends',
            ]
            + names,
            'reading dependencies',
            env=self.environment(),
        )
        wanted = {name for name in follow(text, names) if name.startswith('lib') or name.endswith('1g')}
        have = set(
            self.builder.output(['dpkg-query', '-W', '-f', '${Package}\n'], 'listing packages').split()
        )
        lacking = sorted(
            name for name in wanted - have if not re.match(r'libc6|libgcc-s1$|libc-bin|libcrypt', name)
        )
        tree = self.layout.store / 'helpers'
        if lacking:
            self.builder.say('  this machine lacks %s: unpacked below the root' % ' '.join(lacking))
            self.unpack(lacking, tree)
        library = self.layout.standin / 'lib'
        library.mkdir(parents=True, exist_ok=True)
        # libsz and libaec are always ours, whatever the machine has: HDF5's filters must not vary
        for folder, pattern in (
            (self.layout.debian_lib, 'libsz.so.*'),
            (self.layout.debian_lib, 'libaec.so.*'),
            (self.layout.debian_lib, 'libpfm.so.*'),
            (tree / 'usr/lib/x86_64-linux-gnu', '*.so*'),
            (tree / 'lib/x86_64-linux-gnu', '*.so*'),
        ):
            for path in sorted(folder.glob(pattern)):
                if path.is_symlink() or not path.is_file():
                    continue
                # they need each other, and a run path is not inherited
                name = place(self.builder, path, library, runpath=[library]).name
                if name != path.name:
                    link(name, library / path.name)

    def source(self, name, work):
        """Download a source package and return its unpacked tree (fresh).

        name: of the source package. work: name of the folder below store/build.
        Raises Problem if it cannot be fetched.
        """
        folder = self.layout.store / 'sources'
        folder.mkdir(parents=True, exist_ok=True)
        with APT:
            if not list(folder.glob(name + '_*.orig.tar.*')):
                self.builder.say('  fetching the source package ' + name)
                self.builder.run(
                    ['apt-get', '-q', 'source', '--download-only', '--tar-only', name],
                    'fetching ' + name,
                    cwd=folder,
                    env=self.environment(),
                    log='apt',
                )
        tarballs = [path for path in sorted(folder.glob(name + '_*.orig.tar.*')) if path.suffix != '.asc']
        if not tarballs:
            raise Problem('no source archive of %s came with its Debian source package' % name)
        work = self.layout.store / 'build' / work
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        with tarfile.open(tarballs[-1]) as archive:
            archive.extractall(work)
        inner = [path for path in work.iterdir() if path.is_dir()]
        return inner[0] if len(inner) == 1 else work


def follow(text, names):
    """Return the names of the packages that `names` depend on, taking the first of alternatives.

    text: output of `apt-cache depends --recurse`. names: where to start; they are part of the answer.
    """
    graph, package, alternatives = {}, None, False
    for line in text.splitlines():
        if not line.startswith(' '):
            package, alternatives = line.strip(), False
            graph.setdefault(package, [])
            continue
        match = re.match(r' ( |\|)Depends: (\S+)$', line)
        if match and package:
            if not alternatives:
                graph[package].append(match.group(2))
            alternatives = match.group(1) == '|'
    found, queue = set(), list(names)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue += graph.get(name, [])
    return found


def ensure_compilers(builder, commands, install_line_extra=()):
    """Make sure that the compilers are on this machine; install them when this is root.

    commands: command -> Debian package. Raises Problem with the exact line for the administrator otherwise.
    """
    lacking = sorted(
        {package for command, package in commands.items() if not shutil.which(command, path='/usr/bin:/bin')}
    )
    if subprocess.run(
        ['/usr/bin/python3', '-c', 'import ensurepip, venv'], capture_output=True, check=False
    ).returncode:
        lacking.append('python3-venv')
    if not lacking:
        return
    line = ['apt-get', 'install', '-y', '--no-install-recommends'] + lacking + list(install_line_extra)
    if os.geteuid() != 0:
        raise Problem(
            'this machine lacks %s; ask its administrator for: %s' % (', '.join(lacking), ' '.join(line))
        )
    builder.say('installing on this machine (root): ' + ' '.join(lacking))
    env = dict(os.environ, DEBIAN_FRONTEND='noninteractive')
    if not list(pathlib.Path('/var/lib/apt/lists').glob('*Packages*')):
        builder.run(['apt-get', '-q', 'update'], 'apt-get update', env=env, log='apt')
    builder.run(line, 'installing ' + ' '.join(lacking), env=env, log='apt')
