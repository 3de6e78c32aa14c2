/* SPDX-License-Identifier: MIT
 * lint: owns storage because a file object lives as long as its recording. */
#include "media-relay/worker/pcap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/octets.h"

#define FLUSH_BYTES  (64u << 10) /* flushed at a packet's end, so that a file always ends at one */
#define BUFFER_BYTES (FLUSH_BYTES + (128u << 10))
#define IP4_BYTES    20u
#define IP6_BYTES    40u
#define UDP_BYTES    8u
#define TIME_TO_LIVE 64u
#define PROTOCOL_UDP 17u
#define FRAME_MAX_BYTES 65535u

struct pcap_file {
	FILE *stream;
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	char *buffer;
	size_t pending; /* bytes since the last flush */
	off_t whole;    /* bytes on the disk at the last flush */
	enum err err;
	unsigned char frame[FRAME_MAX_BYTES];
};

/* ---- headers ---- */

static uint32_t sum_add(uint32_t sum, const unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	if (len % 2)
		sum += (uint32_t)bytes[len - 1] << 8;
	return (sum & 0xffff) + (sum >> 16);
}

static uint16_t sum_done(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* RFC 768; RFC 8200 8.1. A sum of zero is sent as its other form. */
static void put_udp(unsigned char *udp, const struct endpoint *from, const struct endpoint *to,
		    const unsigned char *bytes, size_t len)
{
	size_t address = from->ip.family == IP_V6 ? 16 : 4;
	uint32_t sum = PROTOCOL_UDP + (uint32_t)(UDP_BYTES + len);
	uint16_t check;

	put_u16(udp, from->port);
	put_u16(udp + 2, to->port);
	put_u16(udp + 4, UDP_BYTES + len);
	put_u16(udp + 6, 0);
	sum = sum_add(sum, from->ip.bytes, address);
	sum = sum_add(sum, to->ip.bytes, address);
	sum = sum_add(sum, udp, UDP_BYTES);
	check = sum_done(sum_add(sum, bytes, len));
	put_u16(udp + 6, check ? check : 0xffff);
}

static size_t put_ip4(unsigned char *ip, const struct endpoint *from, const struct endpoint *to,
		      size_t len)
{
	memset(ip, 0, IP4_BYTES);
	ip[0] = 0x45;
	put_u16(ip + 2, IP4_BYTES + UDP_BYTES + len);
	ip[6] = 0x40; /* do not fragment */
	ip[8] = TIME_TO_LIVE;
	ip[9] = PROTOCOL_UDP;
	memcpy(ip + 12, from->ip.bytes, 4);
	memcpy(ip + 16, to->ip.bytes, 4);
	put_u16(ip + 10, sum_done(sum_add(0, ip, IP4_BYTES)));
	return IP4_BYTES;
}

static size_t put_ip6(unsigned char *ip, const struct endpoint *from, const struct endpoint *to,
		      size_t len)
{
	memset(ip, 0, IP6_BYTES);
	ip[0] = 0x60;
	put_u16(ip + 4, UDP_BYTES + len);
	ip[6] = PROTOCOL_UDP;
	ip[7] = TIME_TO_LIVE;
	memcpy(ip + 8, from->ip.bytes, 16);
	memcpy(ip + 24, to->ip.bytes, 16);
	return IP6_BYTES;
}

size_t pcap_headers(unsigned char storage[PCAP_HEADERS_MAX], const struct endpoint *from,
		    const struct endpoint *to, const unsigned char *bytes, size_t len)
{
	size_t at = from->ip.family == IP_V6 ? put_ip6(storage, from, to, len)
					     : put_ip4(storage, from, to, len);

	put_udp(storage + at, from, to, bytes, len);
	return at + UDP_BYTES;
}

/* ---- the file ---- */

static enum err file_open(struct pcap_file *file, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return errno == EEXIST ? ERR_EXISTS : err_from_errno();
	file->stream = fdopen(fd, "w");
	if (!file->stream) {
		close(fd);
		return ERR_NOMEM;
	}
	setvbuf(file->stream, file->buffer, _IOFBF, BUFFER_BYTES);
	file->pcap = pcap_open_dead(DLT_RAW, (int)FRAME_MAX_BYTES);
	file->dumper = file->pcap ? pcap_dump_fopen(file->pcap, file->stream) : NULL;
	return file->dumper ? OK : ERR_NOMEM;
}

enum err pcap_file_create(const char *path, struct pcap_file **ret)
{
	struct pcap_file *file = calloc(1, sizeof(*file));
	enum err err = ERR_NOMEM;

	if (!file)
		return ERR_NOMEM;
	file->buffer = malloc(BUFFER_BYTES);
	if (file->buffer)
		err = file_open(file, path);
	if (err == OK)
		err = pcap_file_flush(file, 0);
	if (err != OK) {
		pcap_file_close(&file);
		return err;
	}
	*ret = file;
	return OK;
}

void pcap_file_close(struct pcap_file **file)
{
	struct pcap_file *it = *file;

	*file = NULL;
	(void)!pcap_file_flush(it, 0);
	if (it->dumper)
		pcap_dump_close(it->dumper); /* and the stream */
	else if (it->stream)
		fclose(it->stream);
	if (it->pcap)
		pcap_close(it->pcap);
	free(it->buffer);
	free(it);
}

/* What stdio still holds is thrown away, and so is half a packet that reached the disk. */
static void file_fail(struct pcap_file *file, enum err err)
{
	file->err = err;
	__fpurge(file->stream);
	if (ftruncate(fileno(file->stream), file->whole) < 0)
		return;
	(void)lseek(fileno(file->stream), file->whole, SEEK_SET);
}

enum err pcap_file_flush(struct pcap_file *file, uint64_t spare_bytes)
{
	struct statvfs fs;

	if (!file->stream || file->err != OK)
		return file->err;
	errno = 0;
	if (fflush(file->stream) != 0 || ferror(file->stream)) {
		file_fail(file, errno ? err_from_errno() : (enum err)-EIO);
		return file->err;
	}
	file->pending = 0;
	file->whole = lseek(fileno(file->stream), 0, SEEK_CUR);
	if (spare_bytes > 0 && fstatvfs(fileno(file->stream), &fs) == 0 &&
	    (uint64_t)fs.f_bavail * fs.f_frsize < spare_bytes)
		file->err = (enum err)-ENOSPC;
	return file->err;
}

enum err pcap_file_write(struct pcap_file *file, const struct endpoint *from,
			 const struct endpoint *to, uint64_t unix_us, const void *bytes, size_t len)
{
	struct pcap_pkthdr header = { .ts = { .tv_sec = (time_t)(unix_us / 1000000u),
					      .tv_usec = (suseconds_t)(unix_us % 1000000u) } };
	size_t head;

	if (file->err != OK)
		return file->err;
	if (len > FRAME_MAX_BYTES - PCAP_HEADERS_MAX)
		return OK; /* larger than IP can carry with these headers: it did not arrive */
	head = pcap_headers(file->frame, from, to, bytes, len);
	memcpy(file->frame + head, bytes, len);
	header.caplen = header.len = (bpf_u_int32)(head + len);
	pcap_dump((unsigned char *)file->dumper, &header, file->frame);
	file->pending += sizeof(struct pcap_pkthdr) + head + len;
	return file->pending >= FLUSH_BYTES ? pcap_file_flush(file, 0) : OK;
}
