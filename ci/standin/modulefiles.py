# SPDX-License-Identifier: GPL-2.0-only
"""The module tree of the Cray PE: programming environments, compilers, targets, core tools."""

from .compilermodules import environment_modules, rocm_module
from .layout import facts
from .moduletext import ModuleText, ModuleTree
from .productmodules import add_products
from .steps import Staging, link, write

NETWORK = 'ofi/1.0'


def write_modules(builder, releases, default, ready, pythons, environments):
    """Write all module files.

    builder: the run. releases: list of Release. default: name of the release that gives the default versions.
    ready: names of the products that are installed (others get no module).
    pythons: cray-python version -> real one. environments: names of the PrgEnvs that are installed.
    """
    layout = builder.layout
    with Staging(layout.pe / 'lmod/modulefiles') as folder:
        tree = ModuleTree(folder)
        targets = {}
        for release in releases:
            is_default = release.name == default
            for module in core_modules(layout, release, ready, pythons):
                tree.add('core', module, is_default)
            for name in environments:
                for module in environment_modules(layout, release.under(name)):
                    tree.add('core', module, is_default)
                add_products(tree, layout, release.under(name), is_default, ready)
            version = release.version('craype-targets')
            for module in target_modules(layout):
                tree.add('craype-targets/' + version, module)
            targets[release.name] = version
            write_cpe(layout, release)
        tree.write()
        link(targets[default], folder / 'craype-targets/default')
    with Staging(layout / 'opt/cray/modulefiles') as folder:
        tree = ModuleTree(folder)
        for module in machine_modules(layout):
            tree.add('.', module, True)
        tree.write()
    (layout / 'opt/modulefiles').mkdir(parents=True, exist_ok=True)


def core_modules(layout, release, ready, pythons):
    """Yield the modules that are always visible, for one release."""
    pe = layout.pe
    version = release.version('craype')
    prefix = pe / 'craype' / version
    module = ModuleText('craype', version, 'Compiler wrappers cc, CC and ftn')
    module.setenv(CRAYPE_VERSION=version, CRAYPE_DIR=prefix).prepend('PATH', '%s/bin' % prefix)
    module.append('PE_PRODUCT_LIST', 'CRAYPE')
    yield module

    for name, folder, sub in (
        ('cray-dsmml', 'dsmml', '/dsmml'),
        ('cray-pmi', 'pmi', ''),
        ('cray-pals', 'pals', ''),
    ):
        version = release.version(name)
        prefix = '%s/%s/%s%s' % (pe, folder, version, sub)
        upper = name.upper().replace('-', '_')
        module = ModuleText(
            name,
            version,
            'Part of the Cray PE that is variables only in the stand-in',
            'The stand-in sets the variables; there are no libraries behind them.',
        )
        module.setenvs(version, upper + '_VERSION')
        module.setenvs(prefix, upper + '_PREFIX', upper + '_DIR')
        yield module

    version = release.version('perftools-base')
    module = ModuleText(
        'perftools-base', version, 'Performance tools, base module (variables only in the stand-in)'
    )
    module.setenv(
        CRAYPAT_ROOT='%s/perftools/%s' % (pe, version), PERFTOOLS_VERSION=version, CRAYPE_PERFTOOLS='yes'
    )
    yield module

    if 'papi' in ready:
        version = release.version('papi')
        prefix = '%s/papi/%s' % (pe, version)
        module = ModuleText('papi', version, 'Performance counters')
        module.setenv(
            CRAY_PAPI_VERSION=version, CRAY_PAPI_PREFIX=prefix, CRAY_PAPI_DIR=prefix, PAPI_VERSION=version
        )
        module.prepend('PATH', prefix + '/bin').prepend('LD_LIBRARY_PATH', prefix + '/lib64')
        module.product('PAPI', ['papi'], prefix, 'lib64')
        yield module

    version = release.version('cray-python')
    if 'python' in ready:
        prefix = '%s/python/%s' % (pe, version)
        module = ModuleText(
            'cray-python',
            version,
            'Python with numpy, scipy, dask, mpi4py',
            "The version is the Cray PE's; behind it is Python %s." % pythons.get(version, '?'),
        )
        module.setenv(CRAY_PYTHON_VERSION=version, CRAY_PYTHON_PREFIX=prefix, CRAY_PYTHON_DIR=prefix)
        module.prepend('PATH', prefix + '/bin').prepend('PKG_CONFIG_PATH', prefix + '/lib/pkgconfig')
        module.prepend('MANPATH', prefix + '/share/man')
        yield module

    if 'rocm' in ready:
        yield rocm_module(layout, release)

    modulerc = '%s/cpe/%s/modulerc.lua' % (pe, release.name)
    module = ModuleText(
        'cpe',
        release.version('cpe'),
        'Default versions of Cray PE release ' + release.name,
        "As with HPE's module, the defaults change at the next module command.",
    )
    module.setenv(CPE_VERSION=release.name).prepend('LMOD_MODULERCFILE', modulerc).family('cpe')
    yield module


def target_modules(layout):
    """Yield the craype-* modules: CPU, accelerator and network targets."""
    trees = '%s/lmod/modulefiles' % layout.pe
    for target in facts()['cpu_targets']:
        module = ModuleText('craype-' + target, None, 'Sets the target CPU to ' + target)
        module.family('craype_cpu').setenv(CRAY_CPU_TARGET=target, CRAY_LMOD_CPU=target + '/1.0')
        module.prepend('MODULEPATH', '%s/cpu/%s/1.0' % (trees, target)).append(
            'PE_PRODUCT_LIST', product_of(target)
        )
        yield module
    for name, target in (('host', 'host'), ('amd-gfx90a', 'amd_gfx90a')):
        module = ModuleText('craype-accel-' + name, None, 'Sets the target accelerator to ' + name)
        module.family('craype_accel').setenv(CRAY_ACCEL_TARGET=target)
        if name != 'host':
            module.setenv(CRAY_ACCEL_VENDOR=name.split('-', 1)[0])
        module.append('PE_PRODUCT_LIST', 'CRAY_ACCEL')
        yield module
    module = ModuleText('craype-network-ofi', None, 'Sets the network to libfabric (OFI)')
    module.family('craype_network').setenv(CRAYPE_NETWORK_TARGET='ofi', CRAY_LMOD_NETWORK=NETWORK)
    module.raw('load("libfabric")')
    module.prepend('MODULEPATH', '%s/net/%s' % (trees, NETWORK))
    module.raw(
        'local compiler = os.getenv("CRAY_LMOD_COMPILER")',
        'if compiler then',
        '    prepend_path("MODULEPATH", "%s/comnet/" .. compiler .. "/%s")' % (trees, NETWORK),
        'end',
    )
    module.append('PE_PRODUCT_LIST', 'CRAYPE_NETWORK_OFI')
    yield module
    yield (
        ModuleText('craype-network-none', None, 'No network')
        .family('craype_network')
        .setenv(CRAYPE_NETWORK_TARGET='none')
    )


def product_of(target):
    """Return the name of a CPU target in PE_PRODUCT_LIST: x86-milan -> CRAYPE_X86_MILAN."""
    return 'CRAYPE_' + target.upper().replace('-', '_')


def machine_modules(layout):
    """Yield the modules that follow the machine, not the release: libfabric and xpmem."""
    prefix = layout.libfabric
    module = ModuleText('libfabric', layout.libfabric_version, 'Open Fabrics Interfaces')
    module.prepend('PATH', '%s/bin' % prefix).prepend('LD_LIBRARY_PATH', '%s/lib64' % prefix)
    module.prepend('PKG_CONFIG_PATH', '%s/lib64/pkgconfig' % prefix).prepend(
        'CRAY_LD_LIBRARY_PATH', '%s/lib64' % prefix
    )
    yield module
    version = facts()['xpmem']
    module = ModuleText('xpmem', version, 'Shared memory between processes (variables only in the stand-in)')
    yield module.setenv(CRAY_XPMEM_VERSION=version)


def write_cpe(layout, release):
    """Write the default versions of a release, which the module cpe/<release> puts into LMOD_MODULERCFILE."""
    lines = ['module_version("%s/%s", "default")' % pair for pair in sorted(release.modules.items())]
    write(layout.pe / 'cpe' / release.name / 'modulerc.lua', '\n'.join(lines) + '\n')
