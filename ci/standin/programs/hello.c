/* SPDX-License-Identifier: GPL-2.0-only
   every rank adds its number: 2 ranks give 3 */
#include <mpi.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    int rank, size, sum, mine;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    mine = rank + 1;
    MPI_Allreduce(&mine, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0) printf("ok hello %d ranks sum %d\n", size, sum);
    MPI_Finalize();
    return sum != size * (size + 1) / 2;
}
