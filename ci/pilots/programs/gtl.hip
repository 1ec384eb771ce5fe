/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel and MPI in one program that hipcc links. */
#include <hip/hip_runtime.h>
#include <mpi.h>
#include <stdio.h>

__global__ void one(double *value) { *value = 1.0; }

int main(int argc, char **argv)
{
    double *there = NULL, here = 0.0;
    MPI_Init(&argc, &argv);
    if (hipMalloc((void **)&there, sizeof(double)) == hipSuccess) {
        one<<<1, 1>>>(there);
        hipMemcpy(&here, there, sizeof(double), hipMemcpyDeviceToHost);
        hipFree(there);
    }
    printf("kernel: %g\n", here);
    MPI_Finalize();
    return here == 1.0 ? 0 : 1;
}
