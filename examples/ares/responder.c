/* Copyright the Tenon authors. */
/* SPDX-License-Identifier: MIT */

/* For the test: a DNS server that prints its port, ignores the first question
 * it gets, and knows one address, 192.0.2.7, for every name. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <signal.h>

int main(void)
{
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0,   1, 0, 0,
                                           0,    60, 0, 4, 192, 0, 2, 7};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    unsigned char text[512 + sizeof record];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        return 1;
    }
    printf("%d\n", ntohs(address.sin_port));
    (void)fflush(stdout);
    for (int count = 0;; count++) {
        ssize_t got =
            recvfrom(fd, text, 512, 0, (struct sockaddr *)&address, &len);
        if (count == 0 || got < 17) {
            continue;
        }
        /* The name ends with a 0; its type and class follow. */
        size_t end = 12 + strlen((char *)text + 12) + 5;
        text[2] |= 0x80;
        text[7] = 1;
        text[11] = 0;
        memcpy(text + end, record, sizeof record);
        (void)sendto(fd, text, end + sizeof record, 0,
                     (struct sockaddr *)&address, len);
    }
}
