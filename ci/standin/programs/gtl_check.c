// SPDX-License-Identifier: GPL-2.0-only
// What Cray MPICH checks in MPI_Init, and the MPICH of the stand-in does not: it ends the program
// * outside of a Slurm step, where Cray's PMI finds nobody to talk to. STANDIN_MPI_ON_LOGIN=1 lets it run there, as one
//   rank: what LUMI's login nodes do is not known for certain (docs/plans.md), so that both can be tried;
// * if GPU support is asked for, and the transport layer for GPU buffers (GTL) is not in the program.
// MPICH asks libfabric, or UCX, for a provider in MPI_Init; as every MPI library of the stand-in needs this library
// before those, the question comes by here.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int is_one(const char *name) {
  const char *value = getenv(name);
  return value != NULL && strcmp(value, "1") == 0;
}

static void end(const char *why, const char *note) {
  const char *rank = getenv("PMI_RANK");
  if (rank == NULL) rank = "0";
  fprintf(stderr, "MPICH ERROR [Rank %s] - Abort(-1) (rank %s in comm 0): %s\n (Other MPI error)\n\naborting job:\n%s\n%s",
          rank, rank, why, why, note);
  fflush(NULL);
  _exit(255);
}

static void check(void) {
  static int done = 0;
  if (done++) return;
  const char *pmi = getenv("PMI_FD");
  if (!is_one("STANDIN_MPI_ON_LOGIN")
      && (getenv("SLURM_STEP_ID") == NULL || pmi == NULL || fcntl(atoi(pmi), F_GETFD) == -1))
    end("Fatal error in PMPI_Init: Other MPI error, error stack:\nMPIR_Init_thread(170): \nMPID_Init(501).......: PMI2 init failed: 1",
        "(stand-in: this is no Slurm step; start it by srun, or set STANDIN_MPI_ON_LOGIN=1)\n");
  if (!is_one("MPICH_GPU_SUPPORT_ENABLED")) return;
  int (*gtl)(void) = (int (*)(void)) dlsym(RTLD_DEFAULT, "standin_gtl_init");
  if (gtl == NULL) end("MPIDI_CRAY_init: GPU_SUPPORT_ENABLED is requested, but GTL library is not linked", "");
  gtl();
}

static void *behind(const char *name) {
  void *next = dlsym(RTLD_NEXT, name);
  if (next == NULL) { fprintf(stderr, "stand-in: no library behind libmpi has %s\n", name); _exit(255); }
  return next;
}

int fi_getinfo(uint32_t version, const char *node, const char *service, uint64_t flags, const void *hints, void **info) {
  check();
  int (*next)(uint32_t, const char *, const char *, uint64_t, const void *, void **) =
    (int (*)(uint32_t, const char *, const char *, uint64_t, const void *, void **)) behind("fi_getinfo");
  return next(version, node, service, flags, hints, info);
}

int ucp_init_version(unsigned major, unsigned minor, const void *parameters, const void *config, void **context) {
  check();
  int (*next)(unsigned, unsigned, const void *, const void *, void **) =
    (int (*)(unsigned, unsigned, const void *, const void *, void **)) behind("ucp_init_version");
  return next(major, minor, parameters, config, context);
}
