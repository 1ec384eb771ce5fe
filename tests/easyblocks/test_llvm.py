# SPDX-License-Identifier: GPL-2.0-only
"""LLVM with the operating system's GCC."""
import pytest

RECIPE = 'LLVM-20.1.8-GCCcore-14.3.0.eb'
GCC = '/usr/lib64/gcc/x86_64-suse-linux/14'


@pytest.mark.parametrize('toolchain, command, answer', [
    ('cpeGNU', 'cc -print-libgcc-file-name', f'{GCC}/libgcc.a\n'),
    ('cpeCray', 'cc -v', 'Found candidate GCC installation: /usr/lib64/gcc/x86_64-suse-linux/7\n'
     f'Selected GCC installation: {GCC}\nCandidate multilib: .;@m64\n')])
def test_llvm_asks_the_compiler_where_its_gcc_is(probe, recipe_text, toolchain, command, answer):
    case = {'text': recipe_text(RECIPE, toolchain), 'steps': ['_set_gcc_prefix_probs'],
            'commands': {command: answer}, 'parameters': {'configopts': ''}}
    ours, silent = probe([case, dict(case, commands={})])
    assert ours['error'] is None, ours['error']
    assert ours['commands'][-1] == command
    assert 'does not say which GCC' in silent['error']
    upstream, = probe([case], mended=False)
    assert "Can't find GCC" in upstream['error'], 'ours can go'
