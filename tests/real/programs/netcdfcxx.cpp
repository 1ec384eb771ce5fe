// SPDX-License-Identifier: GPL-2.0-only
// Each rank writes and reads a netCDF-4 file of its own through netCDF-C++4; the sum over ranks must agree.
#include <mpi.h>
#include <netcdf>
#include <iostream>
#include <string>
#include <vector>

int main(int argc, char *argv[])
{
    MPI_Init(&argc, &argv);
    int rank, size, sum = 0, total = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    std::string name = "rank" + std::to_string(rank) + ".nc";
    {
        netCDF::NcFile file(name, netCDF::NcFile::replace);
        auto dim = file.addDim("x", 10);
        auto var = file.addVar("v", netCDF::ncInt, dim);
        std::vector<int> values(10, rank + 1);
        var.putVar(values.data());
    }
    netCDF::NcFile file(name, netCDF::NcFile::read);
    std::vector<int> back(10);
    file.getVar("v").getVar(back.data());
    for (int value : back)
        sum += value;
    MPI_Allreduce(&sum, &total, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    bool ok = total == 10 * size * (size + 1) / 2;
    if (rank == 0)
        std::cout << "ranks " << size << (ok ? " OK" : " WRONG") << std::endl;
    MPI_Finalize();
    return !ok;
}
