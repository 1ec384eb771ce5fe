/* SPDX-License-Identifier: GPL-2.0-only */
int versions(void);

int main(void)
{
    return versions();
}
