# SPDX-License-Identifier: GPL-2.0-only
"""The text of Lua module files, and the tree they are written to."""

from .steps import write


class ModuleText:
    """One module file under construction: every method adds lines; str() gives the file."""

    def __init__(self, name, version, what, note=''):
        """name, version: of the module. what: one line for whatis. note: more text for `module help`."""
        self.name = name
        self.version = version
        text = '%s\n%s' % (what, note or "Stand-in for the module of the same name of HPE's Cray PE.")
        self.lines = [
            "-- Written by ci/standin/build of lumi-hooks; not HPE's module.",
            'help([[%s]])' % text,
            'whatis("Name: %s")' % name,
            'whatis("Description: %s")' % what,
        ]
        if version:
            self.lines.insert(3, 'whatis("Version: %s")' % version)

    def raw(self, *lines):
        """Add lines of Lua as they are."""
        self.lines += lines
        return self

    def setenv(self, **variables):
        """Set variables, in the order given."""
        return self.raw(*['setenv("%s", "%s")' % pair for pair in variables.items()])

    def setenvs(self, value, *names):
        """Set several variables to one value."""
        return self.raw(*['setenv("%s", "%s")' % (name, value) for name in names])

    def prepend(self, variable, *values):
        """Prepend values to a path-like variable."""
        return self.raw(*['prepend_path("%s", "%s")' % (variable, value) for value in values])

    def append(self, variable, *values):
        """Append values to a path-like variable."""
        return self.raw(*['append_path("%s", "%s")' % (variable, value) for value in values])

    def family(self, name):
        """Make the module a member of a family: at most one of them is loaded."""
        return self.raw('family("%s")' % name)

    def conflict(self, *names):
        """Name modules that cannot be loaded at the same time."""
        return self.raw('conflict(%s)' % ', '.join('"%s"' % name for name in names))

    def product(self, product, pkgconfig, prefix, libdir='lib'):
        """Announce the product to the wrappers and to pkg-config as HPE's modules do.

        product: name in PE_PRODUCT_LIST. pkgconfig: names of pkg-config files. prefix: of the product.
        """
        self.append('PE_PRODUCT_LIST', product)
        self.prepend('PKG_CONFIG_PATH', '%s/%s/pkgconfig' % (prefix, libdir))
        for name in pkgconfig:
            self.prepend('PE_PKGCONFIG_LIBS', name)
        return self.prepend('PE_PKGCONFIG_PRODUCTS', 'PE_' + product.replace('CRAY_', '', 1))

    def __str__(self):
        return '\n'.join(self.lines) + '\n'


class ModuleTree:
    """Collects module files and writes them below one folder."""

    def __init__(self, folder):
        """folder: where the tree goes (e.g. the staging folder of lmod/modulefiles)."""
        self.folder = folder
        self.files = {}
        self.defaults = {}

    def add(self, place, module, default=False):
        """Add a module.

        place: folder relative to the tree, e.g. core. module: ModuleText.
        default: this version is the system default.
        """
        path = (
            '%s/%s/%s.lua' % (place, module.name, module.version)
            if module.version
            else '%s/%s.lua' % (place, module.name)
        )
        text = str(module)
        if self.files.setdefault(path, text) != text:
            raise AssertionError('two releases want different contents for %s' % path)
        if default and module.version:
            self.defaults['%s/%s' % (place, module.name)] = (module.name, module.version)

    def write(self):
        """Write all files, and .modulerc.lua with the default version for every module that has one."""
        for path, text in sorted(self.files.items()):
            write(self.folder / path, text)
        for path, (name, version) in sorted(self.defaults.items()):
            write(
                self.folder / path / '.modulerc.lua', 'module_version("%s/%s", "default")\n' % (name, version)
            )
