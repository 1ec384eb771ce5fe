/* SPDX-License-Identifier: GPL-2.0-only */
#include <mpi.h>
#include <netcdf.h>
#include <netcdf_par.h>
#include <stdio.h>
#define CHECK(call) do { int code = (call); if (code) { printf("%s: %s\n", #call, nc_strerror(code)); \
    MPI_Abort(MPI_COMM_WORLD, 2); } } while (0)
int main(int argc, char **argv)
{
    int rank, size, file, dim, var;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    size_t start = 3 * rank, count = 3;
    int mine[3] = {rank, rank, rank}, back[3] = {-1, -1, -1};
    CHECK(nc_create_par("parallel.nc", NC_NETCDF4, MPI_COMM_WORLD, MPI_INFO_NULL, &file));
    CHECK(nc_def_dim(file, "x", 3 * size, &dim));
    CHECK(nc_def_var(file, "numbers", NC_INT, 1, &dim, &var));
    CHECK(nc_enddef(file));
    CHECK(nc_var_par_access(file, var, NC_COLLECTIVE));
    CHECK(nc_put_vara_int(file, var, &start, &count, mine));
    CHECK(nc_get_vara_int(file, var, &start, &count, back));
    CHECK(nc_close(file));
    if (rank == 0 && back[2] == rank) printf("ok netCDF, parallel write %d ranks\n", size);
    MPI_Finalize();
    return back[2] != rank;
}
