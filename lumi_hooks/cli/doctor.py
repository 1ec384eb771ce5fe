# SPDX-License-Identifier: GPL-2.0-only
"""lumi-eb doctor: everything that an installation may fail for, before anything is built."""
import argparse
import os
from dataclasses import replace
from typing import Any, Dict, List, Optional, Tuple

from .. import doctor, older
from ..adapt import adapt
from ..doctor import CHECKS, ERROR, Check, Finding, Package, Situation
from ..errors import LumiHooksError, RecipeError
from ..plan import BUILD, Plan, make_plan
from ..recipe import read_recipe
from . import site_options
from .command import add_command
from .console import Cell, Output, Styled, bold, dim, print_json
from .partial import Partial

EXAMPLES = """examples:
  lumi-eb doctor                                  is this a place to install software in?
  lumi-eb doctor GROMACS-2025.2-foss-2025a.eb     and is everything there for this, and for what it needs?
  lumi-eb doctor --allow MyCode my-code.eb        its sources may lack checksums (as with LUMI_HOOKS_ALLOW)
  lumi-eb doctor --json                           the same as data

eb shows the same findings before the first build, and stops where one is an error.

exit code: 0 nothing found, or warnings; 1 an error; 2 bad use or unreadable recipe
"""
COLOURS = {ERROR: 'red', doctor.WARNING: 'yellow'}


def add_parser(commands) -> None:
    """The command's options."""
    parser = add_command(commands, 'doctor', run, 'what an installation may fail for, before anything is built',
                         'Looks at the prefix, its room and permissions, this node, licences, checksums and whose '
                         'the recipes are. Nothing is installed or changed.', EXAMPLES)
    parser.add_argument('recipe', nargs='*', metavar='RECIPE',
                        help='what is to be installed: a path, a file name, or the name of a software')
    parser.add_argument('--json', action='store_true', help='print the findings as one JSON object')
    parser.add_argument('--allow', metavar='NAME,…', default='',
                        help='software whose sources may lack checksums, and that may download while it is built')


def run(options: argparse.Namespace) -> int:
    """
    Run the command.

    :raises LumiHooksError: the release or partition is unknown
    """
    failed = Partial('recipe')
    try:
        site, folders = site_options.find_site(options)
    except LumiHooksError as err:
        # a contradictory environment is a finding, too
        findings = [Finding('environment', ERROR, str(err))]
        return _tell(options, findings, [], None, failed)
    site = replace(site, allow=site.allow | {name for name in options.allow.split(',') if name})
    packages: Tuple[Package, ...] = ()
    plan: Optional[Plan] = None
    paths = site_options.given_recipes(options.recipe, site, folders, failed)
    if paths:
        plan = make_plan(paths, site)
        packages = packages_of(plan)
        lacks = [Finding('easyblocks', doctor.WARNING, text)
                 for text in older.of_files(node.source for node in plan.of(BUILD) if node.source)]
    robot = tuple(path for path in os.environ.get('EASYBUILD_ROBOT_PATHS', '').split(':') if path)
    here = Situation(site, os.environ, packages, robot)
    findings = doctor.examine(here)
    if plan:
        findings += lacks
        findings[:0] = [Finding('plan', ERROR, f'{node.module} can\'t be installed: {node.reason}')
                        for node in plan.nodes if node.module in plan.targets and node.blocks]
    return _tell(options, findings, packages, here, failed)


def packages_of(plan: Plan) -> Tuple[Package, ...]:
    """What a plan builds, with the parameters that it is installed with."""
    found = []
    for node in plan.of(BUILD):
        if node.source:
            try:
                adaptation = adapt(read_recipe(node.source), plan.site)
            except RecipeError:
                continue  # the plan says so
            found.append(Package(node.name, node.module, adaptation.parameters, node.source))
    return tuple(found)


def _tell(options: argparse.Namespace, findings: List[Finding], packages, here: Optional[Situation],
          failed: Partial) -> int:
    if options.json:
        print_json({**as_json(findings, packages, here), 'errors': failed.errors})
    else:
        show(findings, packages, here)
    return failed.code(1 if any(finding.level == ERROR for finding in findings) else 0)


def as_json(findings: List[Finding], packages, here: Optional[Situation]) -> Dict[str, Any]:
    """The findings as plain data; its fields are a contract."""
    return {'prefix': here.site.prefix if here else None,
            'packages': [package.module for package in packages],
            'findings': [{'check': finding.check, 'level': finding.level, 'text': finding.text}
                         for finding in findings],
            'settings': site_options.settings_in_force(),
            'passed': [entry.id for entry in _passed(findings, here)]}


def _passed(findings: List[Finding], here: Optional[Situation]) -> List[Check]:
    """The checks that have looked and found nothing."""
    told = {finding.check for finding in findings}
    left_out = doctor.skipped(here) if here else {}
    return [entry for entry in CHECKS.values() if here and entry.id not in told and entry.id not in left_out]


def show(findings: List[Finding], packages, here: Optional[Situation]) -> None:
    """One table: what was found, then what is in order, then what was not looked at."""
    console = Output()
    rows: List[List[Cell]] = [[Styled(finding.level, COLOURS[finding.level]), bold(finding.check), finding.text]
                              for finding in findings]
    rows += [[Styled('ok', 'green'), bold(entry.id), entry.title] for entry in _passed(findings, here)]
    rows += [[dim('not checked'), bold(id), why] for id, why in (doctor.skipped(here) if here else {}).items()
             if id not in {finding.check for finding in findings}]
    rows += [[dim('set'), bold('settings'), text] for text in site_options.settings_in_force()]
    console.table(rows)
    if here and packages:
        console.say()
        console.say(f'looked at for {len(packages)} module{"s" if len(packages) > 1 else ""} that would be built in '
                    f'{here.site.prefix}')
