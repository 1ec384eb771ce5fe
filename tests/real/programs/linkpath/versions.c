/* SPDX-License-Identifier: GPL-2.0-only */
#include <hdf5.h>
#include <mpi.h>
#include <rdma/fabric.h>
#include <stdio.h>

int versions(void)
{
    unsigned major, minor, release;
    int standard, sub;
    H5get_libversion(&major, &minor, &release);
    MPI_Get_version(&standard, &sub);
    return printf("HDF5 %u.%u, MPI %d, libfabric %u\n", major, minor, standard, FI_MAJOR(fi_version())) < 0;
}
