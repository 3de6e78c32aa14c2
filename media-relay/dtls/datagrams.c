/* SPDX-License-Identifier: MIT
 * The BIO under OpenSSL. A memory BIO would glue what is written into one run of bytes; this one
 * keeps the borders: what OpenSSL writes at once is one datagram, what it reads at once is one. */
#include "media-relay/dtls/dtls_priv.h"

#include "lib/base/ensure.h"

static int on_write(BIO *bio, const char *bytes, int len)
{
	struct dtls *dtls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len <= 0 || !dtls->turn)
		return -1;
	dtls->turn->send(dtls->turn->owner, (const unsigned char *)bytes, (size_t)len);
	return len;
}

static int on_read(BIO *bio, char *bytes, int len)
{
	struct dtls *dtls = BIO_get_data(bio);
	size_t taken = dtls->in_len;

	BIO_clear_retry_flags(bio);
	if (taken == 0 || len <= 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (taken > (size_t)len)
		taken = (size_t)len; /* as recv(2) does with a datagram */
	memcpy(bytes, dtls->in, taken);
	dtls->in_len = 0;
	return (int)taken;
}

static long on_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct dtls *dtls = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	if (command == BIO_CTRL_PENDING)
		return (long)dtls->in_len;
	return 0; /* MTU, peer, timeouts: told elsewhere */
}

static int on_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *dtls_datagrams_method(void)
{
	BIO_METHOD *method =
		BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams of the relay");

	if (method && BIO_meth_set_write(method, on_write) && BIO_meth_set_read(method, on_read) &&
	    BIO_meth_set_ctrl(method, on_ctrl) && BIO_meth_set_create(method, on_create))
		return method;
	BIO_meth_free(method);
	return NULL;
}
