/* SPDX-License-Identifier: GPL-2.0-only
   every rank writes its half of one dataset, collectively */
#include <hdf5.h>
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    int rank, size, back[4] = {0}, i, bad = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int mine[4] = {rank, rank + 10, rank + 20, rank + 30};
    hsize_t all = 4 * size, four = 4, start = 4 * rank;
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), transfer = H5Pcreate(H5P_DATASET_XFER);
    H5Pset_fapl_mpio(access, MPI_COMM_WORLD, MPI_INFO_NULL);
    H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
    hid_t file = H5Fcreate("parallel.h5", H5F_ACC_TRUNC, H5P_DEFAULT, access);
    hid_t space = H5Screate_simple(1, &all, NULL), memory = H5Screate_simple(1, &four, NULL);
    hid_t data = H5Dcreate2(file, "numbers", H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &four, NULL);
    bad |= H5Dwrite(data, H5T_NATIVE_INT, memory, space, transfer, mine) < 0;
    bad |= H5Dread(data, H5T_NATIVE_INT, memory, space, transfer, back) < 0;
    for (i = 0; i < 4; i++) bad |= back[i] != mine[i];
    H5Dclose(data); H5Fclose(file);
    if (rank == 0 && !bad) printf("ok HDF5, parallel write %d ranks\n", size);
    MPI_Finalize();
    return bad;
}
