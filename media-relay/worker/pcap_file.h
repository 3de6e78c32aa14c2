/* SPDX-License-Identifier: MIT
 * A libpcap savefile of raw IP packets, made from datagrams and their addresses. Private to this room. */
#pragma once

#include <stdint.h>

#include "lib/base/addr.h"

struct pcap_file;

/* Made anew with mode 0600; never follows a link. */
must_use enum err pcap_file_create(const char *path, struct pcap_file **ret);
/* What was written is flushed, and the file closed. */
void pcap_file_close(struct pcap_file **file);

/* Buffered. An error is final: the file then ends behind its last whole flush. */
must_use enum err pcap_file_write(struct pcap_file *file, const struct endpoint *from,
				  const struct endpoint *to, uint64_t unix_us, const void *bytes,
				  size_t len);
/* -ENOSPC: fewer than spare_bytes would be left. */
must_use enum err pcap_file_flush(struct pcap_file *file, uint64_t spare_bytes);

/* IP and UDP headers before the bytes of a datagram, checksums included; how many bytes. */
#define PCAP_HEADERS_MAX 48u
size_t pcap_headers(unsigned char storage[PCAP_HEADERS_MAX], const struct endpoint *from,
		    const struct endpoint *to, const unsigned char *bytes, size_t len);
