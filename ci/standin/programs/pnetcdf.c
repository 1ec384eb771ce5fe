/* SPDX-License-Identifier: GPL-2.0-only */
#include <mpi.h>
#include <pnetcdf.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    int rank, size, file, dim, var, bad = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Offset start = 2 * rank, count = 2;
    int mine[2] = {rank, rank};
    bad |= ncmpi_create(MPI_COMM_WORLD, "classic.nc", NC_CLOBBER, MPI_INFO_NULL, &file);
    bad |= ncmpi_def_dim(file, "x", 2 * size, &dim);
    bad |= ncmpi_def_var(file, "v", NC_INT, 1, &dim, &var);
    bad |= ncmpi_enddef(file);
    bad |= ncmpi_put_vara_int_all(file, var, &start, &count, mine);
    bad |= ncmpi_close(file);
    if (rank == 0 && !bad) printf("ok PnetCDF %d ranks\n", size);
    MPI_Finalize();
    return bad != 0;
}
