#include <hip/hip_runtime.h>
#include <thrust/device_vector.h>
#include <thrust/sort.h>
#include <thrust/reduce.h>
#include <thrust/execution_policy.h>
int main(){ thrust::device_vector<int> v(100); thrust::sort(v.begin(),v.end()); return thrust::reduce(v.begin(),v.end()); }
