# SPDX-License-Identifier: GPL-2.0-only
"""Source tarballs out of Debian's source packages, found by sha256 in the signed indices.

Everything apt does here is in a private folder: no root, no change to the system's lists. The mirror, the
proxy and the key are the ones apt is configured with.
"""
import glob
import mmap
import os
import re
import shutil
import subprocess
import tempfile
import time

SUITES = ('bookworm', 'trixie', 'sid', 'bullseye')
COMPONENTS = 'main contrib non-free'
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
# seconds after which the lists are read again: when they lack a file, when the mirror refuses one they have
LISTS_STALE, REFUSAL_STALE = 24 * 3600, 3600


class Debian:
    """Debian's source archive as this machine's apt reaches it.

    folder: private folder for lists and cache (kept between runs)
    say: function that gets one line of progress
    """

    def __init__(self, folder, say):
        self.folder = folder
        self.say = say
        self.updated = False

    def options(self):
        """Options that keep apt inside the private folder; the system's apt.conf (proxies) still counts."""
        values = {
            'Dir::State': self.folder + '/state', 'Dir::State::status': self.folder + '/status',
            'Dir::Cache': self.folder + '/cache', 'Dir::Etc::sourcelist': self.folder + '/sources.list',
            'Dir::Etc::sourceparts': '-', 'APT::Sandbox::User': 'root', 'Acquire::Languages': 'none',
            'Acquire::GzipIndexes': 'false', 'Acquire::Retries': '5', 'Debug::NoLocking': 'true',
            # a connection that stalls is given up after 120 seconds by default
            'Acquire::http::Timeout': '20', 'Acquire::https::Timeout': '20',
        }
        return [word for key, value in values.items() for word in ('-o', key + '=' + value)]

    def lists(self):
        """Return the paths of the Sources indices that are here."""
        return sorted(glob.glob(self.folder + '/state/lists/*_Sources'))

    def prepare(self, refresh=False):
        """Fetch the indices if there are none, or if `refresh`. OSError if apt or the mirror is not there."""
        if self.updated or (self.lists() and not refresh):
            return
        for name in ('state/lists/partial', 'cache/archives/partial'):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        open(self.folder + '/status', 'a', encoding='utf-8').close()
        mirror, keyring = configured_mirror()
        with open(self.folder + '/sources.list', 'w', encoding='utf-8') as handle:
            for suite in SUITES:
                handle.write('deb-src [signed-by=%s] %s %s %s\n' % (keyring, mirror, suite, COMPONENTS))
        self.say('Debian source indices: %s (a minute the first time)' % ' '.join(SUITES))
        done = _apt(['apt-get'] + self.options() + ['update'])
        self.updated = True
        present = ' '.join(self.lists())
        for suite in SUITES:
            if '_dists_%s_' % suite not in present:
                self.say('  no index for %s: %s' % (suite, _first_error(done.stdout)))
        if not self.lists():
            raise OSError('apt-get could not fetch any Debian source index: ' + _first_error(done.stdout))

    def age(self):
        """Seconds since the indices were last asked for."""
        stamps = [os.path.getmtime(path) for path in glob.glob(self.folder + '/sources.list')]
        return time.time() - max(stamps) if stamps else float('inf')

    def locate(self, sha256):
        """Return [(package, version, file)] of every source package that carries these bytes."""
        found = []
        for path in self.lists():
            with open(path, 'rb') as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text:
                at = text.find(sha256.encode())
                while at != -1:
                    start, end = text.rfind(b'\n\n', 0, at) + 1, text.find(b'\n\n', at)
                    paragraph = text[start:end if end != -1 else len(text)].decode('utf-8', 'replace')
                    entry = _parse_entry(paragraph, sha256)
                    if entry and entry not in found:
                        found.append(entry)
                    at = text.find(sha256.encode(), at + 1)
        return found

    def fetch(self, sha256, target):
        """Put the file with this sha256 at `target` (the caller verifies it). Return a word on its origin.

        Raises LookupError if no source package has it or the mirror refuses every one of them.
        """
        self.prepare()
        places = self.locate(sha256)
        if not places and self.age() > LISTS_STALE:
            self.prepare(refresh=True)
            places = self.locate(sha256)
        if not places:
            raise LookupError('no Debian source package has this sha256')
        reasons = self._download(places, target)
        if isinstance(reasons, list) and self.age() > REFUSAL_STALE:
            # the archive may have moved on since the lists were read
            self.prepare(refresh=True)
            reasons = self._download(self.locate(sha256), target)
        if isinstance(reasons, list):
            raise LookupError('Debian lists it but does not serve it (%s)' % '; '.join(reasons))
        return reasons

    def _download(self, places, target):
        """Try source packages in turn; return a word on the origin, or the list of refusals."""
        reasons = []
        for package, version, name in places:
            scratch = tempfile.mkdtemp(dir=self.folder)
            command = ['apt-get'] + self.options() + ['source', '--download-only', '--tar-only',
                                                      '%s=%s' % (package, version)]
            try:
                done = _apt(command, cwd=scratch)
                if os.path.isfile(os.path.join(scratch, name)):
                    shutil.move(os.path.join(scratch, name), target)
                    return 'Debian source package %s %s' % (package, version)
                reasons.append('%s %s: %s' % (package, version, _first_error(done.stdout, name)))
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        return reasons


def configured_mirror():
    """Return (mirror, keyring) that this machine's apt uses for Debian; OSError if it uses none."""
    if not shutil.which('apt-get'):
        raise OSError('apt-get is not here: Debian source packages cannot be fetched')
    keyring = KEYRING
    done = _apt(['apt-get', 'indextargets', '--format', '$(CREATED_BY)|$(REPO_URI)|$(LABEL)'])
    mirrors = [line.split('|')[1] for line in done.stdout.splitlines()
               if line.startswith('Packages|') and line.endswith('|Debian')]
    if not mirrors:   # lists never fetched: the label is not known yet, so read the configuration itself
        mirrors = _mirrors_from_configuration()
    if not mirrors:
        raise OSError('apt is not configured with a Debian mirror (no entry for Debian in its sources)')
    if not os.path.isfile(keyring):
        raise OSError('%s is missing: install debian-archive-keyring' % keyring)
    return mirrors[0].rstrip('/'), keyring


def _mirrors_from_configuration():
    """Return mirrors whose address ends in /debian, from sources.list and sources.list.d."""
    found = []
    names = ['/etc/apt/sources.list'] + sorted(glob.glob('/etc/apt/sources.list.d/*'))
    for name in names:
        if os.path.isfile(name):
            with open(name, encoding='utf-8', errors='replace') as handle:
                lines = [line for line in handle if not line.lstrip().startswith('#')]
            found.extend(word for line in lines for word in line.split()
                         if re.match(r'^[a-z+]+:/.*/debian/?$', word))
    return found


def _parse_entry(text, sha256):
    """Return (package, version, file) of one paragraph of a Sources index."""
    package = re.search(r'^Package: (\S+)', text, re.M)
    version = re.search(r'^Version: (\S+)', text, re.M)
    name = re.search(r'^ %s \d+ (\S+)' % sha256, text, re.M)
    return (package.group(1), version.group(1), name.group(1)) if package and version and name else None


def _first_error(output, name=None):
    """Return the line of apt's output that says what went wrong."""
    lines = [re.sub(r'\s+(\[IP: [^]]*\])?', ' ', line.strip()).strip() for line in output.splitlines()
             if re.match(r'\s*(E:|Err:|[45]\d\d |W: Failed)', line)]
    preferred = [line for line in lines if name and name in line] or lines
    codes = [line for line in lines if re.match(r'[45]\d\d ', line)]
    return (codes or preferred or ['apt gave no reason'])[0]


def _apt(command, cwd=None):
    """Run an apt command, messages in English, both streams in one."""
    return subprocess.run(command, cwd=cwd, env=dict(os.environ, LC_ALL='C'), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, universal_newlines=True)
