# SPDX-License-Identifier: GPL-2.0-only
"""
Rebuilds a set of recipes, on this machine or by Slurm, and keeps what became of it in one file a run.

`wanted` reads the set, `tasks` plans it, `script` writes what a job runs, `run` holds the state and `steps` moves it
on, `local` and `slurm` start jobs and know of them. `report` and `page` tell what came out.
"""
