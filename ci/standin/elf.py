# SPDX-License-Identifier: GPL-2.0-only
"""Shared libraries under Cray's names: copied, then SONAME, NEEDED and RUNPATH rewritten with patchelf."""

import os
import pathlib
import re
import shutil

from .steps import Staging, link


def soname(builder, path):
    """Return the SONAME of a shared library."""
    return builder.output([builder.layout.patchelf, '--print-soname', path], 'reading ' + str(path)).strip()


def needed(builder, path):
    """Return the list of libraries that an ELF file needs."""
    return builder.output([builder.layout.patchelf, '--print-needed', path], 'reading ' + str(path)).split()


def place(builder, source, folder, name=None, renames=None, runpath=None, links=()):
    """Copy a shared library into a folder under another SONAME.

    source: the library, links are followed. folder: where it goes. name: new SONAME and file name (default:
    the present SONAME). renames: needed library -> its new name. runpath: list of folders, or None for
    no run path. links: further names for it in that folder. Returns the new file.
    """
    source = pathlib.Path(source).resolve()
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    name = name or soname(builder, source) or source.name
    target = folder / name
    temp = folder / ('.%s.%d' % (name, os.getpid()))
    shutil.copy(source, temp)
    temp.chmod(0o755)
    patchelf = builder.layout.patchelf
    builder.run([patchelf, '--set-soname', name, temp], 'renaming ' + name, log='patchelf')
    has = needed(builder, temp)
    for old, new in (renames or {}).items():
        if old in has and old != new:
            builder.run([patchelf, '--replace-needed', old, new, temp], 'patching ' + name, log='patchelf')
    if runpath:
        builder.run(
            [patchelf, '--set-rpath', ':'.join(str(path) for path in runpath), temp],
            'patching ' + name,
            log='patchelf',
        )
    else:
        builder.run([patchelf, '--remove-rpath', temp], 'patching ' + name, log='patchelf')
    temp.replace(target)
    for other in links:
        link(name, folder / other)
    return target


def drop_needed(builder, path, pattern):
    """Take libraries whose names match a pattern off the list of those that a library needs.

    builder: runs patchelf. path: the library. pattern: regular expression, matched from the start.
    """
    for name in needed(builder, path):
        if re.match(pattern, name):
            builder.run(
                [builder.layout.patchelf, '--remove-needed', name, path], 'patching ' + path.name, log='patchelf'
            )


def publish(layout, folder, into=None):
    """Link the shared libraries of a product into ROOT/opt/cray/pe/lib64, as HPE's installer does.

    layout: of the stand-in. folder: a library folder of a product. into: another folder of links.
    """
    for path in sorted(pathlib.Path(folder).glob('lib*.so.*')):
        link(path, (into or layout.pe / 'lib64') / path.name)


def publish_releases(layout, releases, environments):
    """Link the libraries of several releases into pe/lib64; where names meet, the last release wins.

    layout: of the stand-in. releases: list of Release, the system's default last. environments: names of
    the PrgEnvs that are installed.
    """
    with Staging(layout.pe / 'lib64') as into:
        for release in [release.under(name) for release in releases for name in environments]:
            for prefix in (
                layout.mpich(release),
                layout.libsci(release),
                layout.product(release, 'cray-hdf5'),
                layout.product(release, 'cray-hdf5-parallel'),
                layout.product(release, 'cray-netcdf'),
                layout.product(release, 'cray-netcdf-hdf5parallel'),
                layout.product(release, 'cray-parallel-netcdf'),
                layout.fftw(release, 'x86_rome'),
            ):
                publish(layout, prefix / 'lib', into)
            publish(layout, layout.pe / 'papi' / release.version('papi') / 'lib64', into)
            publish(layout, layout.gtl(release), into)
            if release.pe_env == 'CRAY':
                publish(layout, layout.cce(release.version('cce')) / 'cce/x86_64/lib', into)


def place_program(builder, source, folder, renames, runpath=None):
    """Copy a program into a folder and give the libraries it needs their new names.

    source: a program or script, links are followed. folder: where it goes.
    renames: needed library -> its new name. runpath: list of folders, or None for no run path.
    """
    source = pathlib.Path(source)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    temp = folder / ('.%s.%d' % (source.name, os.getpid()))
    shutil.copy(source.resolve(), temp)
    temp.chmod(0o755)
    with open(temp, 'rb') as file:
        is_elf = file.read(4) == b'\x7fELF'
    if is_elf:
        patchelf = builder.layout.patchelf
        has = needed(builder, temp)
        for old, new in renames.items():
            if old in has and old != new:
                builder.run(
                    [patchelf, '--replace-needed', old, new, temp], 'patching ' + source.name, log='patchelf'
                )
        change = ['--set-rpath', ':'.join(str(path) for path in runpath)] if runpath else ['--remove-rpath']
        builder.run([patchelf] + change + [temp], 'patching ' + source.name, log='patchelf')
    temp.replace(target)
