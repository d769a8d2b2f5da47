/* The smallest program with errand.hpp: work on a pool, a value, an exception, many at once.
 *     c++ -std=c++17 hello.cpp $(pkg-config --cflags --libs errand) */
#include <errand.hpp>

#include <iostream>

int main()
{
    errand::pool pool;
    auto hello = pool.submit([] { return std::string("hello"); }).then([](std::string s) {
        return s + " there";
    });
    std::cout << hello.get() << '\n';

    std::vector<errand::future<int>> squares;
    for (int i = 1; i <= 5; i++) squares.push_back(pool.submit([i] { return i * i; }));
    for (int n : errand::all(std::move(squares)).get()) std::cout << n << ' ';
    std::cout << '\n';

    try {
        pool.sleep(errand::forever).timeout(std::chrono::milliseconds(20)).get();
    } catch (const errand::error &e) {
        std::cout << e.what() << '\n';
    }
}
