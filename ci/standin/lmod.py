# SPDX-License-Identifier: GPL-2.0-only
"""Lmod below the root, and ROOT/enter.sh: the login shell of the stand-in."""

from .debian import Debian
from .layout import HERE, facts
from .steps import Staging, link, relocate, write


def install(builder):
    """Unpack Lmod, Lua and their libraries into ROOT/store/lmod and point them at each other there."""
    layout = builder.layout
    target = layout.store / 'lmod'
    debian = Debian(builder)
    with Staging(target) as tree:
        debian.unpack(facts()['debian']['lmod'], tree)
        version = sorted(path.name for path in (tree / 'usr/share/lmod').iterdir() if path.name[0].isdigit())[
            -1
        ]
        lua = sorted(path.name for path in (tree / 'usr/bin').glob('lua5*'))[0]
        swaps = [
            ('/usr/share/lua/', '%s/usr/share/lua/' % target),
            ('/usr/lib/x86_64-linux-gnu/lua/', '%s/usr/lib/x86_64-linux-gnu/lua/' % target),
            ('/usr/bin/lua', '%s/usr/bin/lua' % target),
            ('/usr/share/lmod', '%s/usr/share/lmod' % target),
            ('/etc/lmod', '%s/etc/lmod' % target),
        ]
        relocate(tree / 'usr/share/lmod' / version, swaps)
        link(version, tree / 'usr/share/lmod/lmod')
        if not (tree / 'usr/bin/lua').exists():
            link(lua, tree / 'usr/bin/lua')
        library = layout.standin / 'lib'
        builder.run(
            [layout.patchelf, '--set-rpath', library, (tree / 'usr/bin' / lua)],
            'patching lua',
            log='patchelf',
        )
        for path in sorted(tree.rglob('*.so*')):
            if not path.is_symlink():
                builder.run(
                    [
                        layout.patchelf,
                        '--set-rpath',
                        '%s:%s/usr/lib/x86_64-linux-gnu' % (library, target),
                        path,
                    ],
                    'patching ' + path.name,
                    log='patchelf',
                )
    link(target / 'usr/share/lmod/lmod', layout.pe / 'lmod/lmod')


def write_enter(builder):
    """Write ROOT/enter.sh, the module functions for non-interactive shells, and Lmod's settings."""
    layout = builder.layout
    settings = layout.standin / 'lmod'
    write(settings / 'admin.list', '')
    write(settings / 'lmodrc.lua', '-- no spider cache: the tree is small and changes\nscDescriptT = {}\n')
    functions = (HERE / 'functions.sh.in').read_text()
    write(settings / 'functions.sh', functions)
    text = (HERE / 'enter.sh.in').read_text().replace('@FUNCTIONS@\n', functions)
    text = text.replace('@LMOD@', str(layout.pe / 'lmod/lmod'))
    write(layout / 'enter.sh', text.replace('@ROOT@', str(layout.root)))
