#include <hdf5.h>

int main(void) {
    unsigned major, minor, release;
    return H5get_libversion(&major, &minor, &release) < 0;
}
