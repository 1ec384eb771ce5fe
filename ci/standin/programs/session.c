/* A function of MPI 4, declared here, so that only the library decides. */
int MPI_Session_init(int, int, void *);

int main(void) { return MPI_Session_init(0, 0, 0); }
