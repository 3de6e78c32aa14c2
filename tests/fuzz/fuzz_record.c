/* SPDX-License-Identifier: MIT
 * What control gives to a recording: a path, and a packet. A path that is taken names one file in a
 * folder and nothing else: it is made there, under exactly this name, as the file system itself
 * says. Whatever the packet is, libpcap reads it back behind headers that fit. The first octet says
 * how long the path is; it lies in a folder of this process's own. */
#include <limits.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/ensure.h"
#include "media-relay/worker/pcap_file.h"
#include "media-relay/worker/recorder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[64];

static void read_back(const char *path, size_t head, const uint8_t *bytes, size_t len)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, error);
	struct pcap_pkthdr *header;
	const unsigned char *frame;

	ensure(pcap && pcap_next_ex(pcap, &header, &frame) == 1);
	ensure(header->caplen == head + len && header->len == head + len);
	ensure(memcmp(frame + head, bytes, len) == 0);
	ensure(pcap_next_ex(pcap, &header, &frame) == PCAP_ERROR_BREAK);
	pcap_close(pcap);
}

/* A path that was taken: one component below `folder`, or below a folder that is not there. */
static void record(const char *path, const uint8_t *bytes, size_t len)
{
	struct endpoint ends[2] = { { { len % 2 ? IP_V6 : IP_V4, { 192, 0, 2, 1 } }, 5000 },
				    { { len % 2 ? IP_V6 : IP_V4, { 192, 0, 2, 2 } }, 6000 } };
	const char *slash = strrchr(path, '/');
	struct pcap_file *file;
	char real[PATH_MAX];
	struct stat st;

	if (pcap_file_create(path, &file) != OK)
		return;
	ensure(realpath(path, real) && strcmp(real, path) == 0);
	ensure((size_t)(slash - path) == strlen(folder) &&
	       strncmp(path, folder, strlen(folder)) == 0);
	ensure(stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600);
	ensure(pcap_file_write(file, &ends[0], &ends[1], 1000000, bytes, len) == OK);
	pcap_file_close(&file);
	read_back(path, len % 2 ? 48 : 28, bytes, len);
	unlink(path);
}

static void remove_folder(void)
{
	rmdir(folder);
}

static void make_folder(void)
{
	if (folder[0] == '\0') {
		snprintf(folder, sizeof(folder), "%s/fuzz_record.XXXXXX",
			 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		ensure(mkdtemp(folder));
		atexit(remove_folder);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t name = size > 0 && data[0] < size ? data[0] : 0;
	const uint8_t *packet = data + (size > 0) + name;
	char path[PATH_MAX + 256];
	size_t len;

	make_folder();
	ensure(!recorder_path_good(slice_of((const char *)data + (size > 0), name)) ||
	       data[1] == '/');
	len = (size_t)snprintf(path, sizeof(path), "%s/", folder);
	if (name > 0)
		memcpy(path + len, data + 1, name);
	path[len + name] = '\0';
	if (recorder_path_good(slice_of(path, len + name))) {
		ensure(strlen(path) == len + name && !strstr(path, "/../"));
		for (const char *at = path + len; *at; at++)
			ensure((unsigned char)*at > ' ' || strchr(at, '/'));
		record(path, packet, (size_t)(data + size - packet));
	}
	rmdir(folder);
	ensure(mkdir(folder, 0700) == 0); /* nothing was left in it */
	return 0;
}
