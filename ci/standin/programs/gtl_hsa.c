// SPDX-License-Identifier: GPL-2.0-only
// The stand-in's libmpi_gtl_hsa: what MPI_Init looks for (gtl_check.c). The real one moves GPU buffers; there is no GPU here.
#include <hip/hip_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>

int standin_gtl_init(void) {
  int devices = 0;
  hipError_t status = hipGetDeviceCount(&devices);
  if (getenv("STANDIN_GTL_VERBOSE"))
    fprintf(stderr, "stand-in GTL: %d GPUs (%s)\n", devices, hipGetErrorName(status));
  return devices;
}
