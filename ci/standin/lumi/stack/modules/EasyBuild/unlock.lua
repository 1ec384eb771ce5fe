-- Module EasyBuild-unlock/LUMI: the guard of the modes that write into the central stack.
help('Allows EasyBuild-production and EasyBuild-infrastructure to be loaded.')
whatis('Description: unlocks the EasyBuild modes of the support team')
