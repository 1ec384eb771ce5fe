# SPDX-License-Identifier: GPL-2.0-only
"""cray-python: Debian's Python as a prefix of its own (no virtual environment), with NumPy and friends."""

import os
import pathlib
import re
import shutil

from .debian import Debian
from .layout import Problem, facts
from .steps import Staging, copy_tree, link, write
from .tools import cpu_environment, pip

SCHEME = """

# stand-in: a prefix of its own installs like upstream Python, not like Debian's system Python
def _get_preferred_schemes():
    return {'prefix': 'posix_prefix', 'home': 'posix_home', 'user': 'posix_user'}
"""

PC = """prefix=%(prefix)s
exec_prefix=${prefix}
libdir=${exec_prefix}/lib
includedir=${prefix}/include

Name: Python
Description: Python (stand-in for cray-python)
Version: %(minor)s
Libs: -L${libdir} %(libs)s
Cflags: -I${includedir}/python%(minor)s
"""


def system_python(builder):
    """Return major.minor of the distribution's /usr/bin/python3, whose packages make cray-python."""
    code = 'import sys; print("%d.%d" % sys.version_info[:2])'
    return builder.output(['/usr/bin/python3', '-c', code], 'asking /usr/bin/python3').strip()


def install_python(builder, version, release, more=()):
    """Install cray-python under one version.

    builder: the run. version: the Cray PE's version of it. release: for the wrappers that build mpi4py.
    more: packages beyond those of HPE's, as pip's arguments.
    """
    layout = builder.layout
    about = facts()['python'][version]
    minor = system_python(builder)
    if not version.startswith(minor + '.'):
        builder.say(
            "  cray-python/%s is Python %s here: this machine's distribution has no other" % (version, minor)
        )
    name = 'python' + minor
    # unpacked apart from the other packages, as this tree becomes the prefix
    source = layout.store / 'python'
    with Staging(source) as tree:
        Debian(builder).unpack(
            [
                name,
                name + '-minimal',
                name + '-dev',
                name + '-venv',
                'lib%s-minimal' % name,
                'lib%s-stdlib' % name,
                'lib' + name,
                'lib%s-dev' % name,
                'python3-distutils',
                'python3-lib2to3',
                'python3-pip-whl',
                'python3-setuptools-whl',
            ],
            tree,
        )
    prefix = layout.python(version)
    # paths are baked in (sysconfig, scripts of pip), so it is filled where it stays;
    # the stamp says when it is whole
    shutil.rmtree(prefix, ignore_errors=True)
    with Staging(prefix) as tree:
        copy_prefix(source, tree, prefix, minor)
    python = prefix / 'bin' / name
    real = builder.output(
        [python, '-c', 'import sys; print(sys.prefix); print(sys.version.split()[0])'], 'starting cray-python'
    ).split()
    if real[0] != str(prefix):
        raise Problem('cray-python takes %s for its prefix instead of %s' % (real[0], prefix))
    wheels = sorted((source / 'usr/share/python-wheels').glob('*.whl'))
    bootstrap(builder, python, wheels, about['brings'])
    builder.say('  installing %s' % ', '.join(about['packages'] + ['mpi4py', *more]))
    pip(
        builder,
        python,
        ['install', '-q', '--only-binary', ':all:'] + about['packages'] + list(more),
        'installing %s' % ' '.join(about['packages'] + list(more)),
    )
    install_mpi4py(builder, python, release, about['mpi4py'], about['mpi4py_build'])
    write(prefix / 'real-version', real[1] + '\n')


def copy_prefix(source, tree, prefix, minor):
    """Fill `tree`, which will be at `prefix`, from the unpacked packages."""
    name = 'python' + minor
    multi = 'x86_64-linux-gnu'
    copy_tree(source / 'usr/lib' / name, tree / 'lib' / name)
    for extra in ('usr/lib/python3/dist-packages', 'usr/lib/python3.11'):
        folder = source / extra
        for package in ('distutils', 'lib2to3'):
            if (folder / package).is_dir():
                copy_tree(folder / package, tree / 'lib' / name / package)
    library = tree / 'lib' / name
    config = list(library.glob('config-%s-*' % minor))
    for path in list(library.rglob('*')):
        if path.is_symlink() and not path.exists():
            path.unlink()  # links into Debian's system folders (sitecustomize, static libraries)
    (tree / 'bin').mkdir()
    shutil.copy(source / 'usr/bin' / name, tree / 'bin' / name)
    for other in ('python3', 'python'):
        link(name, tree / 'bin' / other)
    for path in sorted((source / 'usr/lib' / multi).glob('lib%s.so.1*' % name)):
        if not path.is_symlink():
            shutil.copy(path, tree / 'lib' / path.name)
            link(path.name, tree / 'lib' / ('lib%s.so' % name))
            for folder in config:
                link('../../' + path.name, folder / ('lib%s.so' % name))
    copy_tree(source / 'usr/include' / name, tree / 'include' / name)
    # the header in include/ only forwards to the one of the architecture
    shutil.copy(source / 'usr/include' / multi / name / 'pyconfig.h', tree / 'include' / name / 'pyconfig.h')
    for path in library.glob('_sysconfigdata_*.py'):
        if path.is_symlink():
            continue
        text = path.read_text()
        text = text.replace('/usr/include/' + multi + '/' + name, '%s/include/%s' % (prefix, name))
        text = text.replace('/usr/lib/' + multi, '%s/lib' % prefix)
        text = re.sub(r"(['= ])/usr(?=[/'])(?!/bin/(?:mkdir|install|sed|grep|tr))", r'\g<1>%s' % prefix, text)
        text = text.replace('x86_64-linux-gnu-g', 'g')
        # Debian's own hardening and debug flags are no business of a package built on LUMI
        text = re.sub(r' ?-f(?:file|debug|macro)-prefix-map=\S+?(?=[\'" ])', '', text)
        path.write_text(text)
    makefile = [path for folder in config for path in folder.glob('Makefile')]
    for path in makefile:
        path.write_text(re.sub(r'^prefix=.*$', 'prefix=\t%s' % prefix, path.read_text(), flags=re.M))
    with open(library / 'sysconfig.py', 'r+') as file:
        text = file.read()
        marker = '\ndef get_default_scheme('
        if marker not in text:
            marker = '\ndef get_preferred_scheme('
        file.seek(0)
        file.write(text.replace(marker, SCHEME + '\n' + marker, 1))
        file.truncate()
    # Debian's Python looks for dist-packages, and `site` is frozen into the program since 3.11;
    # the names are of one length
    for path in [library / 'site.py', tree / 'bin' / name] + sorted(
        (tree / 'lib').glob('lib%s.so.1*' % name)
    ):
        path.write_bytes(path.read_bytes().replace(b'dist-packages', b'site-packages'))
    (library / 'site-packages').mkdir(exist_ok=True)
    (library / 'EXTERNALLY-MANAGED').unlink(missing_ok=True)
    copy_tree(
        source / 'usr/share/python-wheels', tree / 'share/python-wheels'
    )  # what `python3 -m venv` installs
    config_script = (source / 'usr/bin/x86_64-linux-gnu-{}-config'.format(name)).read_text()
    write(tree / 'bin' / (name + '-config'), config_script.replace('/usr/lib/' + multi, '/usr/lib'), 0o755)
    link(name + '-config', tree / 'bin/python3-config')
    for product, libs in (
        ('python3', ''),
        ('python-' + minor, ''),
        ('python3-embed', '-l' + name),
        ('python-%s-embed' % minor, '-l' + name),
    ):
        write(
            tree / 'lib/pkgconfig' / (product + '.pc'), PC % {'prefix': prefix, 'minor': minor, 'libs': libs}
        )


def bootstrap(builder, python, wheels, brings):
    """Install what a Python brings (pip, setuptools), by means of Debian's pip wheel; `python -m venv` gets the same.

    python: the interpreter. wheels: of pip and setuptools. brings: names with versions.
    Raises Problem without a pip wheel.
    """
    first = [path for path in wheels if path.name.startswith('pip-')]
    if not first:
        raise Problem("Debian's package python3-pip-whl has no pip wheel")
    env = dict(os.environ, PYTHONPATH=str(first[-1]), PYTHONNOUSERSITE='1', PIP_DISABLE_PIP_VERSION_CHECK='1')
    own = python.parent.parent / 'share/python-wheels'
    for name in [word.partition('==')[0] for word in brings]:
        for path in own.glob(name + '-*.whl'):
            path.unlink()
    builder.run(
        [python, '-m', 'pip', 'download', '-q', '--no-deps', '--only-binary', ':all:', '-d', own] + brings,
        'fetching ' + ' '.join(brings), env=env, log='pip')
    builder.run(
        [python, '-m', 'pip', 'install', '-q', '--ignore-installed', '--no-warn-script-location'] + brings,
        'installing ' + ' '.join(brings), env=env, log='pip')


def install_mpi4py(builder, python, release, version, with_):
    """Build mpi4py with the stand-in's cc against its Cray MPICH, as HPE does.

    with_: what builds it, which is not left in cray-python.
    """
    env = cpu_environment(builder, release)
    for name, value in os.environ.items():
        if name.startswith('PIP_') or name.lower().endswith('_proxy'):
            env[name] = value
    tools = builder.layout.store / 'build' / ('mpi4py-' + version)
    shutil.rmtree(tools, ignore_errors=True)
    pip(builder, python, ['install', '-q', '--target', tools] + with_,
        'fetching what builds mpi4py')
    env.update(MPICC='cc', MPICFG='', CFLAGS='-O1', PIP_DISABLE_PIP_VERSION_CHECK='1', PYTHONPATH=str(tools))
    builder.run(
        [python, '-m', 'pip', 'install', '-q', '--no-binary', 'mpi4py', '--no-build-isolation', '--no-deps']
        + ['mpi4py==' + version],
        'building mpi4py', log='pip', env=env)
    shutil.rmtree(tools, ignore_errors=True)


def real_version(layout, version):
    """Return the version of the Python behind a cray-python version, or None when it is not installed."""
    path = pathlib.Path(layout.python(version)) / 'real-version'
    return path.read_text().strip() if path.exists() else None
