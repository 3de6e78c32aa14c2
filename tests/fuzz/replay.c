/* SPDX-License-Identifier: MIT
 * Runs a fuzz body over every file of the folders given: the first is our corpus, the others are
 * folders of given seeds below $SBC_CORPORA, passed over (and said so) where they are absent. Every
 * input is also cut at eight places, since half a message is what a network gives. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t len;

	if (!file || fstat(fileno(file), &st) < 0) {
		perror(path);
		exit(1);
	}
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		exit(1);
	len = fread(data, 1, (size_t)st.st_size, file);
	fclose(file);
	for (size_t part = 1; part <= 8; part++) {
		/* An allocation of the exact size lets the sanitizer see a read past the end. */
		size_t size = len * part / 8;
		uint8_t *copy = malloc(size ? size : 1);

		if (!copy)
			exit(1);
		memcpy(copy, data, size);
		LLVMFuzzerTestOneInput(copy, size);
		free(copy);
	}
	free(data);
	return 1;
}

static unsigned long replay(const char *path)
{
	unsigned long count = 0;
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (stat(path, &st) < 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return replay_file(path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char child[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		count += replay(child);
	}
	if (dir)
		closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	const char *corpora = getenv("SBC_CORPORA");
	unsigned long own = argc > 1 ? replay(argv[1]) : 0;

	if (own == 0) {
		fprintf(stderr, "no corpus at %s\n", argc > 1 ? argv[1] : "(none given)");
		return 1;
	}
	printf("%lu inputs of our own\n", own);
	for (int i = 2; i < argc; i++) {
		char path[4096];
		unsigned long given;

		snprintf(path, sizeof(path), "%s/%s", corpora ? corpora : "", argv[i]);
		given = replay(path);
		printf("%lu given inputs from %s%s\n", given, argv[i], given ? "" : ": absent, passed over");
	}
	return 0;
}
