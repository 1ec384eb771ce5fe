/* SPDX-License-Identifier: GPL-2.0-only
 * Solves a tridiagonal system with hypre's PCG on all ranks; prints the norm of the error. */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include "HYPRE.h"
#include "HYPRE_krylov.h"
#include "HYPRE_parcsr_ls.h"

int main(int argc, char *argv[])
{
    MPI_Init(&argc, &argv);
    HYPRE_Init();
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    HYPRE_BigInt n = 100, low = rank * n / size, high = (rank + 1) * n / size - 1;
    HYPRE_IJMatrix A;
    HYPRE_IJVector b, x;
    HYPRE_IJMatrixCreate(MPI_COMM_WORLD, low, high, low, high, &A);
    HYPRE_IJMatrixSetObjectType(A, HYPRE_PARCSR);
    HYPRE_IJMatrixInitialize(A);
    HYPRE_IJVectorCreate(MPI_COMM_WORLD, low, high, &b);
    HYPRE_IJVectorSetObjectType(b, HYPRE_PARCSR);
    HYPRE_IJVectorInitialize(b);
    HYPRE_IJVectorCreate(MPI_COMM_WORLD, low, high, &x);
    HYPRE_IJVectorSetObjectType(x, HYPRE_PARCSR);
    HYPRE_IJVectorInitialize(x);
    for (HYPRE_BigInt i = low; i <= high; i++) {
        HYPRE_BigInt cols[3];
        double vals[3], rhs = 0, zero = 0;
        int k = 0;
        for (HYPRE_BigInt j = i - 1; j <= i + 1; j++)
            if (j >= 0 && j < n) {
                cols[k] = j;
                vals[k] = j == i ? 2.5 : -1;
                rhs += vals[k++]; /* the solution is 1 everywhere */
            }
        HYPRE_IJMatrixSetValues(A, 1, &k, &i, cols, vals);
        HYPRE_IJVectorSetValues(b, 1, &i, &rhs);
        HYPRE_IJVectorSetValues(x, 1, &i, &zero);
    }
    HYPRE_IJMatrixAssemble(A);
    HYPRE_IJVectorAssemble(b);
    HYPRE_IJVectorAssemble(x);
    void *a, *pb, *px;
    HYPRE_IJMatrixGetObject(A, &a);
    HYPRE_IJVectorGetObject(b, &pb);
    HYPRE_IJVectorGetObject(x, &px);
    HYPRE_Solver solver;
    HYPRE_ParCSRPCGCreate(MPI_COMM_WORLD, &solver);
    HYPRE_PCGSetTol(solver, 1e-12);
    HYPRE_PCGSetMaxIter(solver, 500);
    HYPRE_ParCSRPCGSetup(solver, (HYPRE_ParCSRMatrix)a, (HYPRE_ParVector)pb, (HYPRE_ParVector)px);
    HYPRE_ParCSRPCGSolve(solver, (HYPRE_ParCSRMatrix)a, (HYPRE_ParVector)pb, (HYPRE_ParVector)px);
    double error = 0, total, value;
    for (HYPRE_BigInt i = low; i <= high; i++) {
        HYPRE_IJVectorGetValues(x, 1, &i, &value);
        error += (value - 1) * (value - 1);
    }
    MPI_Allreduce(&error, &total, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0)
        printf("ranks %d %s\n", size, sqrt(total) < 1e-8 ? "OK" : "WRONG");
    HYPRE_Finalize();
    MPI_Finalize();
    return sqrt(total) < 1e-8 ? 0 : 1;
}
