# SPDX-License-Identifier: GPL-2.0-only
"""What upstream's easyblocks ask of a toolchain and of the names of dependencies, found in their syntax trees."""
import ast
import os
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set

from lumi_hooks.rules.easyblock import load_easyblocks
from lumi_hooks.schemas import checked

FILE = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'easyblocks.json')

# what is looked for, with its meaning for a toolchain that upstream does not know
KINDS = {
    'toolchain-name': 'reads the toolchain\'s name',
    'toolchain-family': 'branches on the toolchain family',
    'comp-family': 'branches on the compiler family',
    'mpi-family': 'branches on the MPI family',
    'blas-family': 'branches on the BLAS or LAPACK family',
    'module-name': 'takes a toolchain part\'s module name (MPI_MODULE_NAME[0] …) for the name of a dependency',
    'definition': 'looks a part up in the toolchain\'s definition()',
    'gcc': 'asks for the software GCC or GCCcore',
    'part': 'asks for MPI, BLAS, ScaLAPACK or FFTW by the name of a software',
    'raises': 'ends with an error for a family that it does not know',
    'insists': 'ends with an error where no dependency has this name',
    'processor': 'looks at the processor of the node that builds',
    'dependency-names': 'looks at the names of the recipe\'s dependencies, which external modules do not have',
}
FAMILIES = {'toolchain_family': 'toolchain-family', 'comp_family': 'comp-family', 'mpi_family': 'mpi-family',
            'blas_family': 'blas-family', 'lapack_family': 'blas-family', 'COMPILER_FAMILY': 'comp-family',
            'TOOLCHAIN_FAMILY': 'toolchain-family', 'MPI_FAMILY': 'mpi-family'}
DEPENDENCIES = ('dependencies', 'builddependencies', 'dependency_names')
ROOTS = ('get_software_root', 'get_software_version', 'get_software_libdir', 'get_software_root_env_var_name')
# what tells one x86 processor from another; what they have in common (get_cpu_architecture) is not meant
PROCESSOR = ('get_cpu_arch_name', 'get_cpu_features', 'get_cpu_model')
NATIVE = re.compile(r'(?:cpu|CPU|march|mtune)=native|^NATIVE$')
COMPILER = ('GCC', 'GCCcore')
PARTS = ('BLIS', 'FFTW', 'FFTW.MPI', 'FlexiBLAS', 'imkl', 'impi', 'LAPACK', 'MPICH', 'MPICH2', 'MVAPICH2', 'OpenBLAS',
         'OpenMPI', 'ScaLAPACK')


def classified() -> Dict[str, Any]:
    """What is known of the easyblocks that ask for more than cc, CC and ftn, by class name: refused, and the others."""
    others, refused = checked(FILE, 'easyblocks')['easyblocks'], load_easyblocks()
    twice = set(others) & set(refused)
    if twice:
        raise ValueError(f'{", ".join(sorted(twice))}: in lumi_hooks/easyblocks.json and in ci/easyblocks.json')
    return dict(sorted({**others, **refused}.items()))


@dataclass
class Easyblock:
    """A file of easyblocks: its classes, and what was found, as kind or kind:name -> the functions where it is."""
    path: str
    classes: List[str]
    found: Dict[str, Set[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The class that recipes use: the first one that is a software's, else the first."""
        return next((name for name in self.classes if name.startswith('EB_')), self.classes[0] if self.classes else '')

    def add(self, what: str, where: str) -> None:
        """Note a finding."""
        self.found.setdefault(what, set()).add(where)


def scan(folder: str) -> Dict[str, Easyblock]:
    """The easyblocks below a folder (easybuild/easyblocks) in which something was found, by name."""
    result: Dict[str, Easyblock] = {}
    for place, _, files in sorted(os.walk(folder)):
        for name in sorted(files):
            if name.endswith('.py') and name != '__init__.py':
                path = os.path.join(place, name)
                with open(path, encoding='utf-8') as handle:
                    block = scan_text(handle.read(), os.path.relpath(path, folder))
                if block.found:
                    result[block.name or block.path] = block
    return result


def scan_text(text: str, path: str = '') -> Easyblock:
    """What is found in the text of an easyblock."""
    tree = ast.parse(text)
    block = Easyblock(path, [node.name for node in tree.body if isinstance(node, ast.ClassDef)])
    for function in _functions(tree):
        _Function(function, block).look()
    return block


def _functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """Functions and methods, but not those within others, which belong to them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield child
        else:
            yield from _functions(child)


class _Function:
    """Looks through one function."""

    def __init__(self, node: ast.FunctionDef, block: Easyblock):
        self.node, self.block = node, block
        # variable -> the names of software whose prefix or version it holds; the families that it holds
        self.roots: Dict[str, Set[str]] = {}
        # variables that hold the names of dependencies
        self.names: Set[str] = set()
        self.families: Set[str] = set()
        # loop variable -> the texts that it takes
        self.loops: Dict[str, Set[str]] = {}

    def look(self) -> None:
        for node in ast.walk(self.node):
            if isinstance(node, (ast.For, ast.comprehension)):
                self._loop(node)
        for _ in range(2):  # a variable may be made of one that is assigned further down in the tree
            for node in ast.walk(self.node):
                if isinstance(node, ast.Assign):
                    for target in node.targets:
                        self._assign(target, node.value)
                elif isinstance(node, ast.NamedExpr):
                    self._assign(node.target, node.value)
        inner = {child for node in ast.walk(self.node) if isinstance(node, ast.If) for child in node.orelse
                 if len(node.orelse) == 1 and isinstance(child, ast.If)}
        for node in ast.walk(self.node):
            if isinstance(node, ast.Attribute):
                self._attribute(node)
            elif isinstance(node, ast.Call) and _called(node) in ROOTS:
                for name in self._software(node):
                    if name in COMPILER:
                        self._add('gcc')
                    if name in PARTS:
                        self._add(f'part:{name}')
            elif _asks_for_processor(node):
                self._add('processor')
            elif isinstance(node, ast.Call) and _called(node) == 'definition':
                self._add('definition')
            elif _reads_dependencies(node):
                self._add('dependency-names')
            elif isinstance(node, ast.If) and node not in inner:
                self._chain(node)
            elif isinstance(node, ast.Try) and any(_raises(handler.body) for handler in node.handlers) \
                    and any(self._is_family(item) for item in node.body):
                self._add('raises')

    def _add(self, what: str) -> None:
        self.block.add(what, self.node.name)

    def _loop(self, node) -> None:
        names = {item.value for item in ast.walk(node.iter) if isinstance(item, ast.Constant)
                 and isinstance(item.value, str)}
        for target in ast.walk(node.target):
            if isinstance(target, ast.Name):
                self.loops.setdefault(target.id, set()).update(names)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        text = _dotted(target)
        for call in ast.walk(value):
            if isinstance(call, ast.Call) and _called(call) in ROOTS:
                self.roots.setdefault(text, set()).update(self._software(call))
            if (isinstance(call, ast.Call) and _called(call) in FAMILIES) or _dotted(call) in self.families:
                self.families.add(text)
            if isinstance(call, ast.Call) and _called(call) in DEPENDENCIES:
                self.names.add(text)

    def _software(self, call: ast.Call) -> Set[str]:
        """The names that a call asks for, as far as they stand in the text."""
        if not call.args:
            return set()
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return {first.value}
        if isinstance(first, ast.Name):
            return set(self.loops.get(first.id, ()))
        return set()

    def _attribute(self, node: ast.Attribute) -> None:
        if node.attr in FAMILIES:
            self._add(FAMILIES[node.attr])
        elif node.attr.endswith('_MODULE_NAME') or node.attr == 'PRGENV_MODULE_NAME_SUFFIX':
            self._add('module-name')
        elif node.attr == 'name' and _dotted(node.value).split('.')[-1] in ('toolchain', 'tc'):
            self._add('toolchain-name')

    def _chain(self, node: ast.If) -> None:
        """A chain of if, elif and else: what it looks at, and whether it ends with an error."""
        tests, names, family = [], set(), False
        branch: Optional[ast.If] = node
        ends: List[ast.stmt] = []
        while branch is not None:
            tests.append(branch.test)
            # if not get_software_root(X): raise
            if _raises(branch.body) and (missing := self._denied(branch.test)):
                names |= missing
            rest = branch.orelse
            branch = rest[0] if len(rest) == 1 and isinstance(rest[0], ast.If) else None
            if branch is None:
                ends = rest
        if _raises(ends):
            for test in tests:
                names |= self._asked(test)
                family = family or self._is_family(test)
        elif _raises(node.body) and len(tests) == 1:
            family = self._is_family(node.test)
        for name in names:
            self._add(f'insists:{name}')
        if family:
            self._add('raises')

    def _asked(self, test: ast.expr) -> Set[str]:
        """The software that a test asks for."""
        found: Set[str] = set()
        for node in ast.walk(test):
            if isinstance(node, ast.Call) and _called(node) in ROOTS:
                found |= self._software(node)
            elif isinstance(node, (ast.Name, ast.Attribute)):
                found |= self.roots.get(_dotted(node), set())
        return found

    def _denied(self, test: ast.expr) -> Set[str]:
        """The software without which a test is true: `not X`, `X is None`, and these in `or` and `and`."""
        if isinstance(test, ast.BoolOp):
            return set().union(*(self._denied(value) for value in test.values))
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self._asked(test.operand)
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is):
            return self._asked(test.left)
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.NotIn) \
                and self._are_names(test.comparators[0]):
            left = test.left
            return {left.value} if isinstance(left, ast.Constant) else self.loops.get(_dotted(left), set())
        return set()

    def _are_names(self, node: ast.expr) -> bool:
        """Does an expression hold the names of dependencies?"""
        return any((isinstance(item, ast.Call) and _called(item) in DEPENDENCIES) or _dotted(item) in self.names
                   for item in ast.walk(node))

    def _is_family(self, test: ast.AST) -> bool:
        return any((isinstance(node, ast.Attribute) and node.attr in FAMILIES)
                   or (isinstance(node, (ast.Name, ast.Attribute)) and _dotted(node) in self.families)
                   for node in ast.walk(test))


def _raises(body) -> bool:
    """Does a branch end with an error?"""
    return bool(body) and any(isinstance(item, ast.Raise) for item in body)


def _asks_for_processor(node: ast.AST) -> bool:
    """Is it a question about the processor, or an option that means the one of the node that builds?"""
    if isinstance(node, ast.Call):
        return _called(node) in PROCESSOR
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(NATIVE.search(node.value))


def _reads_dependencies(node: ast.AST) -> bool:
    """Is it cfg.dependencies(), cfg['dependencies'] and alike?"""
    if isinstance(node, ast.Subscript):
        return getattr(node.slice, 'value', '') in DEPENDENCIES
    return isinstance(node, ast.Call) and _called(node) in DEPENDENCIES


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')


def _dotted(node: ast.AST) -> str:
    """a.b.c of an expression, as far as it is one."""
    if isinstance(node, ast.Attribute):
        return f'{_dotted(node.value)}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def signature(block: Easyblock) -> List[str]:
    """What was found in an easyblock, without the places: what its classification is about."""
    return sorted(block.found)


def counts(blocks: Mapping[str, Easyblock]) -> Dict[str, int]:
    """How many easyblocks each kind is found in."""
    return {kind: sum(any(what.split(':')[0] == kind for what in block.found) for block in blocks.values())
            for kind in KINDS}
