/* SPDX-License-Identifier: GPL-2.0-only
 * Partitions a ring of 2000 vertices into 4 parts with ParMETIS; every part must get its share. */
#include <mpi.h>
#include <parmetis.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char *argv[])
{
    MPI_Init(&argc, &argv);
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    idx_t n = 2000, parts = 4, ncon = 1, wgtflag = 0, numflag = 0, options[3] = {0, 0, 0}, cut;
    idx_t *dist = malloc((size + 1) * sizeof *dist);
    for (int r = 0; r <= size; r++)
        dist[r] = n * r / size;
    idx_t own = dist[rank + 1] - dist[rank];
    idx_t *xadj = malloc((own + 1) * sizeof *xadj), *adj = malloc(2 * own * sizeof *adj), *part = malloc(own * sizeof *part);
    for (idx_t i = 0; i < own; i++) {
        xadj[i] = 2 * i;
        adj[2 * i] = (dist[rank] + i + n - 1) % n;
        adj[2 * i + 1] = (dist[rank] + i + 1) % n;
    }
    xadj[own] = 2 * own;
    real_t target[4] = {0.25, 0.25, 0.25, 0.25}, ub = 1.05;
    MPI_Comm comm = MPI_COMM_WORLD;
    int status = ParMETIS_V3_PartKway(dist, xadj, adj, NULL, NULL, &wgtflag, &numflag, &ncon, &parts, target, &ub, options,
                                      &cut, part, &comm);
    int count[4] = {0}, all[4];
    for (idx_t i = 0; i < own; i++)
        count[part[i]]++;
    MPI_Allreduce(count, all, 4, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    int ok = status == METIS_OK && cut >= 4 && cut < 100;
    for (int p = 0; p < 4; p++)
        ok = ok && all[p] > 400 && all[p] < 600;
    if (rank == 0)
        printf("ranks %d %s\n", size, ok ? "OK" : "WRONG");
    MPI_Finalize();
    return !ok;
}
