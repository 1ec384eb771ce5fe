/* SPDX-License-Identifier: GPL-2.0-only */
/* In the place of OSU's osu_bw, whose source can't be had here: sizes and bandwidths between two ranks, as it prints them. */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    int rank, size, bytes, turn;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (size != 2) {
        fprintf(stderr, "This test requires exactly two processes\n");
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    char *buffer = calloc(1, 1 << 20);
    if (rank == 0)
        printf("# OSU MPI Bandwidth Test\n# Size      Bandwidth (MB/s)\n");
    for (bytes = 1; bytes <= 1 << 20; bytes *= 4) {
        double began = MPI_Wtime();
        for (turn = 0; turn < 20; turn++) {
            if (rank == 0)
                MPI_Send(buffer, bytes, MPI_CHAR, 1, 1, MPI_COMM_WORLD);
            else
                MPI_Recv(buffer, bytes, MPI_CHAR, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        }
        if (rank == 0)
            printf("%-10d %18.2f\n", bytes, 20.0 * bytes / (MPI_Wtime() - began) / 1e6);
    }
    free(buffer);
    MPI_Finalize();
    return 0;
}
