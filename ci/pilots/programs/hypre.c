/* SPDX-License-Identifier: GPL-2.0-only */
/* A vector of Hypre's over all ranks: its inner product with itself is the number of its entries. */
#include <HYPRE.h>
#include <HYPRE_parcsr_mv.h>
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    int rank, size;
    HYPRE_ParVector vector;
    HYPRE_Real product = 0;
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    HYPRE_Init();
    HYPRE_ParVectorCreate(MPI_COMM_WORLD, 100 * size, NULL, &vector);
    HYPRE_ParVectorInitialize(vector);
    HYPRE_ParVectorSetConstantValues(vector, 1.0);
    HYPRE_ParVectorInnerProd(vector, vector, &product);
    HYPRE_ParVectorDestroy(vector);
    HYPRE_Finalize();
    MPI_Finalize();
    if (rank == 0)
        printf("hypre: %g entries on %d ranks\n", product, size);
    return product == 100.0 * size ? 0 : 1;
}
