# SPDX-License-Identifier: GPL-2.0-only
"""
What every ELF file of an installation says about itself, and whether that is right on the machine.

elf.py fatbin.py   facts of one file: what it needs, where it looks, GPU code in it
archive.py         the object files in a static library
scan.py            the files of a folder, read in parallel
loader.py          what the run-time loader would find, under the machine's rules
locations.py       where the system's, the user's and the build's files lie
policy.py          policy.json: names of libraries, severity of each rule
rules/             the rules, a file a topic
check.py           all of it for one folder -> Report

All of it needs no more than the standard library. `eb` asks places and policy, and has the rest run in a process of
its own (eb/lifecycle/linkage.py says why).
"""
